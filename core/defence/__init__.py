"""Defence: what keeps floods, forged requests and broken neighbours from taking the house down.

Purpose: rate limits by person, address and route; shedding of load; circuit breakers towards
outside systems; the guard against request forgery; the policies that browsers enforce.
Announces: nothing. Hears: nothing.
"""
