"""The program: puts the parts together, drives the times, and watches over the threads."""
