"""What the figures of the documents are measured by; nothing that is shipped imports it."""
