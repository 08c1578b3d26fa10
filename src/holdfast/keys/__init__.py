"""Key operations behind one narrow interface: whoever uses them never sees a key."""
