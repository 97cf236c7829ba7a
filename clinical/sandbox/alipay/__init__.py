"""Alipay's open gateway as its documentation describes it, seen from the platform's side."""
