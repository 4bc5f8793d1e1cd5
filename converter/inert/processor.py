"""What the opcodes work on: the stack, the marks, the memo and the graph they build."""

from __future__ import annotations

from collections.abc import Callable

from converter.errors import PickleError
from converter.inert.nodes import CallNode, Effect, kind_of
from converter.inert.window import Window

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    from converter.byteio.source import ByteSource
    from converter.inert.nodes import Graph, Node
    from converter.limits import Limits

AfterBuild: TypeAlias = "Callable[[CallNode, int], int]"


class StopReading(Exception):  # noqa: N818 - the end of a pickle is no error
    """STOP was executed; `position` is behind it."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position: Final = position


class Processor(Window):
    """The state of the machine between two opcodes.

    Attributes:
        stack: the values since the last mark; the last one is the top.
        metastack: the stacks below the marks, the lowest first. An opcode that takes
            everything since the mark takes the whole list, and nothing is copied.
        memo: what was put under the indexes 0, 1, 2, …: picklers count them up.
        far_memo: what was put under any other index, however large; none of them is in `memo`.
        after_build: what to call after a BUILD on a call.
    """

    __slots__ = ("after_build", "far_memo", "memo", "metastack", "stack")

    def __init__(
        self,
        source: ByteSource,
        graph: Graph,
        *,
        record: str | None,
        limits: Limits,
        after_build: AfterBuild | None,
    ) -> None:
        """Start with an empty stack."""
        super().__init__(source, graph, record=record, limits=limits)
        self.after_build: Final = after_build
        self.stack: list[Node] = []
        self.metastack: list[list[Node]] = []
        self.memo: list[Node] = []
        self.far_memo: dict[int, Node] = {}

    def memoize(self, index: int) -> None:
        """Put the top of the stack under `index`, which is not negative."""
        top = self.stack[-1]
        memo = self.memo
        if index < len(memo):
            memo[index] = top
        elif index == len(memo):
            memo.append(top)
            self.far_memo.pop(index, None)
        else:
            self.far_memo[index] = top

    def leftover(self) -> list[Node]:
        """Return everything on the stack, the lowest value first, without the marks."""
        return [node for part in (*self.metastack, self.stack) for node in part]

    def record_effect(self, code: str, opcode: str, offset: int, operands: list[Node]) -> None:
        """Note that `opcode` changes something that is not made for it.

        Args:
            code: the anomaly.
            opcode: its name.
            offset: where it stands.
            operands: the target and the operand.
        """
        target, operand = operands
        self.graph.effects.append(Effect(offset, opcode, target, operand))
        detail = f"{opcode} on a value of kind {kind_of(target)}"
        self.note(code, detail, offset=offset)

    def continue_after_build(self, call: CallNode, position: int) -> int:
        """Let `after_build` say where to go on, and return that as a position.

        Raises:
            PickleError: it says an offset that is not ahead, or not in the source.
        """
        if self.after_build is None:
            return position
        offset = self.origin + 1 + position
        try:
            following = self.after_build(call, offset)
        except (LookupError, ValueError) as error:
            # The machine takes these for faults of the stream; here they are a fault of ours.
            msg = "after_build failed"
            raise RuntimeError(msg) from error
        if following == offset:
            return position
        if not offset < following <= self.source.nbytes:
            raise PickleError(
                "the bytes after a BUILD do not fit",
                expected=f"an offset from {offset} to {self.source.nbytes}",
                found=str(following),
            )
        return self.jump(following)


Handler: TypeAlias = Callable[[Processor, bytes, int], int]
"""Executes one opcode: given the window's bytes and the position behind the opcode byte, it
returns the position of the next opcode. It changes nothing before it has read its operand: where
the window ends too soon, the opcode is executed again in the next one."""
