"""What the notebooks show and press."""

from nucleus.notebook.sampler import Sampler
from nucleus.notebook.submit_form import SubmitForm

__all__ = ["Sampler", "SubmitForm"]
