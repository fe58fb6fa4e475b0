"""What people say about answers: thumbs, complaints, corrections, and the review queue of the admins."""
