"""What is wrong with one object, or with several together."""

from lateen.check.admission import Admission, admit
from lateen.check.objects import check_object, check_partial
from lateen.check.together import check_together, refuses

__all__ = ["Admission", "admit", "check_object", "check_partial", "check_together", "refuses"]
