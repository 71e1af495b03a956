"""Language models behind one port; the only package that knows a vendor's client."""
