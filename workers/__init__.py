"""When things happen: the Celery app, its queues, its schedule and its tasks."""
