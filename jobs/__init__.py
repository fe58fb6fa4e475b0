"""The ground floor: work as rows in PostgreSQL, carried out once by whichever process comes first.

`rows` asks for jobs and reads them, `execution` does one, `progress` is what its work tells meanwhile. Imports none of
the other packages, and knows what the work is about by its name alone.
"""
