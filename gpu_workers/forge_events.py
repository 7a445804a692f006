"""What happens between the platform and a forge."""

from typing import ClassVar

from guildhall.kernel.events import Event


class RepositoryConnected(Event):
    kind: ClassVar[str] = "delivery.repository.connected"
    name: str
    full_name: str
    head_sha: str

    def sentence(self) -> str:
        return f"connected the repository {self.name} with {self.full_name}"


class RepositoryTokenRenewed(Event):
    kind: ClassVar[str] = "delivery.repository.token_renewed"
    name: str

    def sentence(self) -> str:
        return f"gave the repository {self.name} a new token"


class HookSecretRenewed(Event):
    kind: ClassVar[str] = "delivery.repository.hook_renewed"
    name: str

    def sentence(self) -> str:
        return f"gave the webhook of {self.name} a new secret"


class ChecksRequired(Event):
    kind: ClassVar[str] = "delivery.repository.checks_required"
    name: str
    required: bool

    def sentence(self) -> str:
        if self.required:
            return f"has {self.name} wait for GitHub's checks"
        return f"lets commits of {self.name} without GitHub's checks be judged here alone"


class RepositoryDisconnected(Event):
    """It goes on as a built-in repository, from what was fetched last."""

    kind: ClassVar[str] = "delivery.repository.disconnected"
    name: str
    full_name: str

    def sentence(self) -> str:
        return f"disconnected the repository {self.name} from {self.full_name}"


class ForgeHeard(Event):
    """A webhook with a valid signature. `about` is its kind; `sha` the commit that it speaks of, where it names one."""

    kind: ClassVar[str] = "delivery.forge.heard"
    about: str
    sha: str
    delivery: str

    def sentence(self) -> str:
        return f"heard of {self.about.replace('_', ' ')} in {self.subject.replace(':', ' ')}"


class PullRequestOpenRequested(Event):
    """GitHub is about to be told to open one. Whoever tells it may die before the answer comes: what may be open there is never
    without a line that names its branch."""

    kind: ClassVar[str] = "delivery.pull_request.open_requested"
    branch: str

    def sentence(self) -> str:
        return f"asked GitHub to open a pull request for {self.subject.replace(':', ' ')} from {self.branch}"


class PullRequestOpened(Event):
    kind: ClassVar[str] = "delivery.pull_request.opened"
    number: int
    branch: str
    url: str

    def sentence(self) -> str:
        return f"opened pull request #{self.number} for {self.subject.replace(':', ' ')}"


class PullRequestCloseRequested(Event):
    """GitHub is about to be told to close it, as nobody wants it any more. Whoever tells it may die before the answer
    comes: what may be closed there is never without a line."""

    kind: ClassVar[str] = "delivery.pull_request.close_requested"
    number: int

    def sentence(self) -> str:
        return f"asked GitHub to close pull request #{self.number} of {self.subject.replace(':', ' ')}"


class PullRequestClosed(Event):
    """Nobody wanted it any more."""

    kind: ClassVar[str] = "delivery.pull_request.closed"
    number: int

    def sentence(self) -> str:
        return f"closed pull request #{self.number} of {self.subject.replace(':', ' ')}"


class PullRequestLeft(Event):
    """It may be open there still; people have to look."""

    kind: ClassVar[str] = "delivery.pull_request.left"
    branch: str
    reason: str

    def sentence(self) -> str:
        about = self.subject.replace(":", " ")
        return f"leaves it to people whether a pull request of {about} is open from {self.branch}: {self.reason}"


class ChangeKeptWaiting(Event):
    """`what` is to be done with it, a revert, a close or a look for what is open, and is tried again by itself."""

    kind: ClassVar[str] = "delivery.change.kept_waiting"
    what: str
    reason: str

    def sentence(self) -> str:
        what = {"revert": "the revert", "look": "looking for the pull request"}.get(
            self.what, "closing the pull request"
        )
        return f"waits with {what} of {self.subject.replace(':', ' ')}: {self.reason}"
