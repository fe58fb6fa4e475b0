"""From a question to an answer that is checked: what is asked, what is read, what is written, what may be shown."""
