"""Home Assistant's MQTT discovery, worked out from the rows: what is announced of a charger and of the bridge.

One unknown key at the root throws a whole device away, so nothing is passed through; the keys are Home Assistant's (its
pages on MQTT discovery and on each platform).
"""
