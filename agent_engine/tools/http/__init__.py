"""The one way by which tools reach the network: every connection checked, everything bounded."""
