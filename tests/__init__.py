"""The tests of Nucleus."""
