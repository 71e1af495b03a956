IMAGE = "localhost/treadle-sandbox-test"
