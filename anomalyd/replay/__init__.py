"""Offline: the same pipeline over recordings instead of live sources.

wide CSV ─▶ Recording ─▶ Columns (signals, load) ─▶ Windows ─▶ Pipeline.process ─▶ Verdict
"""
