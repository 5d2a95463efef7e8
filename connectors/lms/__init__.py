"""The registry of kinds of LMS: importing it imports them all."""

from connectors.lms import generic
from connectors.lms.base import LMS_KINDS, Assignment, Lms, LmsSettings
from connectors.lms.opening import open_lmss, read_lmss

__all__ = ["LMS_KINDS", "Assignment", "Lms", "LmsSettings", "generic", "open_lmss", "read_lmss"]
