"""What is known of text by itself: words, sentences, languages, identifiers, likeness."""
