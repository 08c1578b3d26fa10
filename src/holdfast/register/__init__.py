"""What makes a log provable. Pure: bytes in, hashes and sentences out; no disk, no clock, no signing key."""
