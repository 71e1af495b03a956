"""Tools of Model Context Protocol servers: connected, watched, bounded, called like any other.

Only ``session``, ``stdio`` and ``http`` import the protocol's library, and they are imported when
the first server is connected: that costs more than a second and 28 MB.
"""
