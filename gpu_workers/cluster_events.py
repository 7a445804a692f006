"""What happens to the clusters that projects name."""

from typing import ClassVar

from guildhall.kernel.events import Event


class ClusterConnected(Event):
    """`place` is the namespace and the server's address, without the token."""

    kind: ClassVar[str] = "delivery.cluster.connected"
    place: str

    def sentence(self) -> str:
        return f"let people have agents of {self.subject.replace(':', ' ')} apply plans to {self.place}"


class ClusterConnectedV2(ClusterConnected):
    """`kinds` of objects are let in besides Kubernetes' own."""

    version: ClassVar[int] = 2
    kinds: list[str]

    def sentence(self) -> str:
        also = f", with objects of the kinds {', '.join(self.kinds)}" if self.kinds else ""
        return f"{super().sentence()}{also}"


class ClusterConnectedV3(ClusterConnectedV2):
    """Pods may run as `accounts` of the namespace besides `default`."""

    version: ClassVar[int] = 3
    accounts: list[str]

    def sentence(self) -> str:
        also = f", with pods that run as {', '.join(self.accounts)}" if self.accounts else ""
        return f"{super().sentence()}{also}"


class ClusterForgotten(Event):
    kind: ClassVar[str] = "delivery.cluster.forgotten"
    place: str

    def sentence(self) -> str:
        return f"took the cluster {self.place} from {self.subject.replace(':', ' ')}"
