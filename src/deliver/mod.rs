//! Back to the PACS: C-STORE as the requestor, and the queue that retries.
