"""Campaigns: what is tried thousands of times, on demand, with figures that README states."""
