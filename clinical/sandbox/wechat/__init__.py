"""WeChat Pay v3 as its documentation describes it, seen from the platform's side."""
