"""What would have to be known for a condition to hold, or not to: fields with the values they might have. Pure.

A condition is taken apart into ways in which it comes about, each a map of fields to what they may be (`Domain`). Two
ways can be put together where no field is asked for two things at once. What cannot be taken apart says nothing, and
then nothing is proven either: a rehearsal shows whether the condition held.

    learner.department in ["Sales", "Service"]   holds:      department is one of Sales, Service
                                                 holds not:  department is another one; or is not known
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import islice
from math import inf
from typing import Final

from journeys.checked_expr import Call, Constant, Field, Kind, Listed, Path, Tree
from journeys.events import Json
from journeys.expressions import kind_of
from journeys.program import Expression

MOST_WAYS = 24
"""As many ways are looked at; a condition with more proves nothing."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What one field may be: one of `only`, none of `never`, within bounds (with whether they belong to it).

    `is_there` is False where it must be missing. `has` are things a list must hold. `kind` is the only kind it may be
    of: a value of another one is neither equal to a constant nor unequal, and its condition does not hold.
    """

    only: tuple[Json, ...] | None = None
    never: tuple[Json, ...] = ()
    low: tuple[float, bool] = (-inf, True)
    high: tuple[float, bool] = (inf, True)
    after: str | None = None
    before: str | None = None
    has: tuple[Json, ...] = ()
    kind: Kind | None = None
    is_there: bool = True

    def meet(self, other: "Domain") -> "Domain | None":
        """What both allow; None where nothing is left."""
        if self.is_there != other.is_there:
            return None
        if not self.is_there:
            return self
        if self.kind is not None and other.kind is not None and self.kind != other.kind:
            return None
        only = self.only if other.only is None else other.only
        if self.only is not None and other.only is not None:
            only = tuple(value for value in self.only if value in other.only)
        both = Domain(
            only=only,
            never=(*self.never, *other.never),
            low=max(self.low, other.low, key=lambda bound: (bound[0], not bound[1])),
            high=min(self.high, other.high, key=lambda bound: (bound[0], bound[1])),
            after=max(filter(None, (self.after, other.after)), default=None),
            before=min(filter(None, (self.before, other.before)), default=None),
            has=(*self.has, *other.has),
            kind=self.kind or other.kind,
        )
        if both.only is not None:
            both = replace(both, only=tuple(value for value in both.only if both.takes(value)))
            return both if both.only else None
        return both if both.is_possible() else None

    def takes(self, value: Json) -> bool:
        """Whether this value is allowed."""
        if value in self.never or (self.kind is not None and kind_of(value) != self.kind):
            return False
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            is_above = value > self.low[0] or (value == self.low[0] and self.low[1])
            return is_above and (value < self.high[0] or (value == self.high[0] and self.high[1]))
        if isinstance(value, str):
            return (self.after is None or value > self.after) and (self.before is None or value < self.before)
        return True

    def is_possible(self) -> bool:
        """Whether there is room between its bounds, and for a list where one is asked for."""
        if self.after is not None and self.before is not None and self.after >= self.before:
            return False
        if self.kind is not None and self.has:
            return False
        if self.low[0] == self.high[0]:
            return self.low[1] and self.high[1]
        return self.low[0] < self.high[0]


MISSING: Final = Domain(is_there=False)
Suppositions = Mapping[Path, Domain]


@dataclass(frozen=True, slots=True)
class Ways:
    """How a condition can come about. `is_whole`: there is no other way, so none at all is a proof."""

    each: tuple[Suppositions, ...]
    is_whole: bool = True

    @property
    def is_impossible(self) -> bool:
        """Whether it is proven that it cannot."""
        return self.is_whole and not self.each


ANYHOW = Ways(({},))


def ways(tree: Tree, *, wanted: bool) -> Ways:
    """How the condition comes to hold (`wanted`), or not to: what cannot be judged does not hold."""
    return _holds(tree) if wanted else _fails(tree)


def together(several: Iterable[Ways]) -> Ways:
    """How all of them come about at once."""
    found: list[Suppositions] = [{}]
    is_whole = True
    for one in several:
        is_whole = is_whole and one.is_whole
        met = list(islice(_met(found, one.each), MOST_WAYS + 1))
        is_whole = is_whole and len(met) <= MOST_WAYS
        found = met[:MOST_WAYS]
    return Ways(tuple(found), is_whole)


def _met(left: Sequence[Suppositions], right: Sequence[Suppositions]) -> Iterator[Suppositions]:
    for a in left:
        for b in right:
            both = dict(a)
            for path, domain in b.items():
                met = both[path].meet(domain) if path in both else domain
                if met is None:
                    break
                both[path] = met
            else:
                yield both


def either(several: Iterable[Ways]) -> Ways:
    """Any one of them."""
    listed = list(several)
    found = [way for one in listed for way in one.each]
    return Ways(tuple(found[:MOST_WAYS]), all(one.is_whole for one in listed) and len(found) <= MOST_WAYS)


def _holds(tree: Tree) -> Ways:
    match tree:
        case Constant(value=bool() as value):
            return ANYHOW if value else Ways(())
        case Field(is_asked=True):
            return _one(tree.path, Domain())
        case Field():
            return _one(tree.path, Domain(only=(True,), kind="true or false"))
        case Call(function="_&&_"):
            return together(_holds(argument) for argument in tree.arguments)
        case Call(function="_||_"):
            return either(_holds(argument) for argument in tree.arguments)
        case Call(function="!_", arguments=(inner,)):
            return _denied(inner)
        case Call():
            return _compared(tree, wanted=True)
        case _:
            return Ways(({},), is_whole=False)


def _fails(tree: Tree) -> Ways:
    """Not to hold is to be false, or not to be judged at all."""
    match tree:
        case Call(function="_&&_"):
            return either(_fails(argument) for argument in tree.arguments)
        case Call(function="_||_"):
            return together(_fails(argument) for argument in tree.arguments)
        case Call(function="!_", arguments=(inner,)):
            return either((_holds(inner), _unjudged(inner)))
        case Constant() | Field(is_asked=True):
            return _denied(tree)
        case Call(function="_==_" | "@in", arguments=(Field() as read, Constant() | Listed() as beside)):
            return _is_other(read, beside)
        case _:
            return either((_denied(tree), _unjudged(tree)))


def _is_other(read: Field, beside: Constant | Listed) -> Ways:
    """Another value, of whatever kind, or none at all."""
    items = beside.items if isinstance(beside, Listed) else (beside,)
    values = [item.value for item in items if isinstance(item, Constant)]
    if len(values) < len(items) or None in values:
        return Ways(({read.path: MISSING}, {}), is_whole=False)
    return Ways(({read.path: Domain(never=tuple(values))}, {read.path: MISSING}))


def _denied(tree: Tree) -> Ways:
    """How it comes to be false."""
    match tree:
        case Constant(value=bool() as value):
            return Ways(()) if value else ANYHOW
        case Field(is_asked=True):
            return _one(tree.path, MISSING)
        case Field():
            return _one(tree.path, Domain(only=(False,), kind="true or false"))
        case Call(function="_&&_"):
            return either(_denied(argument) for argument in tree.arguments)
        case Call(function="_||_"):
            return together(_denied(argument) for argument in tree.arguments)
        case Call(function="!_", arguments=(inner,)):
            return _holds(inner)
        case Call():
            return _compared(tree, wanted=False)
        case _:
            return Ways(({},), is_whole=False)


def _unjudged(tree: Tree) -> Ways:
    """How it comes that it cannot be judged: a field is missing, and nothing else decides. One of another kind is left
    out, so that nothing is proven by this.
    """
    match tree:
        case Call(function="!_", arguments=(inner,)):
            return _unjudged(inner)
        case Call(function="_&&_", arguments=arguments):
            return _undecided(arguments, _holds)
        case Call(function="_||_", arguments=arguments):
            return _undecided(arguments, _denied)
        case Constant() | Field(is_asked=True):
            return Ways(())
        case _:
            fields = dict.fromkeys(_read_by(tree))
            return Ways(tuple({path: MISSING} for path in fields), is_whole=not fields)


def _undecided(arguments: Sequence[Tree], otherwise: Callable[[Tree], Ways]) -> Ways:
    """One part cannot be judged, and no other part decides: each is as it would be otherwise, or cannot be judged."""
    found: list[Ways] = []
    for place, one in enumerate(arguments):
        others = (*arguments[:place], *arguments[place + 1 :])
        found.append(together([_unjudged(one), *(either((otherwise(o), _unjudged(o))) for o in others)]))
    return either(found)


def _read_by(tree: Tree) -> Iterator[Path]:
    match tree:
        case Field(is_asked=False):
            yield tree.path
        case Call():
            for argument in tree.arguments:
                yield from _read_by(argument)
        case Listed():
            for item in tree.items:
                yield from _read_by(item)
        case _:
            return


_MIRRORED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_"}
_OPPOSITE = {"_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_", "_==_": "_!=_", "_!=_": "_==_"}


def _compared(call: Call, *, wanted: bool) -> Ways:
    function, arguments = call.function, call.arguments
    match arguments:
        case (Field() as read, Listed() as listed) if function == "@in":
            values = [item.value for item in listed.items if isinstance(item, Constant)]
            kinds: set[Kind] = {item.kind for item in listed.items if isinstance(item, Constant)}
            if len(values) == len(listed.items) and wanted:
                return _one(read.path, Domain(only=tuple(values)))
            if len(values) == len(listed.items) and len(kinds) == 1:
                return _one(read.path, Domain(never=tuple(values), kind=kinds.pop()))
        case (Constant() as constant, Field() as read) if function == "@in" and wanted:
            return _one(read.path, Domain(has=(constant.value,)))
        case (Field() as read, Constant() as constant) if function in ("startsWith", "endsWith", "contains"):
            value = constant.value
            return Ways(({read.path: Domain(only=(value,)) if wanted else Domain(never=(value,))},), is_whole=False)
        case (Constant() as constant, Field() as read) if function in _OPPOSITE:
            turned = Call(_MIRRORED.get(function, function), (read, constant))
            return _compared(turned, wanted=wanted)
        case (Field() as read, Constant() as constant) if function in _OPPOSITE:
            return _bounded(read.path, function if wanted else _OPPOSITE[function], constant)
        case (Constant() as left, Constant() as right) if function in ("_==_", "_!=_"):
            return ANYHOW if ((left.value == right.value) == (function == "_==_")) == wanted else Ways(())
        case _:
            pass
    return Ways(({},), is_whole=False)


def _bounded(path: Path, function: str, constant: Constant) -> Ways:
    value = constant.value
    if constant.kind == "null":
        return Ways(({},), is_whole=False)
    match function:
        case "_==_":
            return _one(path, Domain(only=(value,)))
        case "_!=_":
            return _one(path, Domain(never=(value,), kind=constant.kind))
        case _ if isinstance(value, bool) or value is None:
            return Ways(({},), is_whole=False)
        case "_<_" | "_<=_" if isinstance(value, str):
            before = value if function == "_<_" else _day(value, 1)
            return Ways(({path: Domain(before=before, kind="text")},), is_whole=False)
        case "_>_" | "_>=_" if isinstance(value, str):
            after = value if function == "_>_" else _day(value, -1)
            return Ways(({path: Domain(after=after, kind="text")},), is_whole=False)
        case "_<_" | "_<=_":
            return _one(path, Domain(high=(float(value), function == "_<=_"), kind="number"))
        case _:
            return _one(path, Domain(low=(float(value), function == "_>=_"), kind="number"))


def _one(path: Path, domain: Domain) -> Ways:
    return Ways(({path: domain},))


# -- values ------------------------------------------------------------------------------------------------------------

_POOLS: Mapping[str, Sequence[str]] = {
    "country": ("GB", "IE", "DE", "FR", "US", "ES", "IN"),
    "department": ("Operations", "Sales", "Engineering", "Finance", "Marketing"),
    "level": ("manager", "employee", "director", "intern"),
    "role": ("Team lead", "Advisor", "Engineer"),
    "language": ("en", "de", "fr", "es"),
    "zone": ("Europe/London", "Europe/Berlin", "America/New_York"),
    "site": ("Dublin", "London", "Berlin"),
    "team": ("Team One", "Team Two", "Team Three"),
}
"""Values that such a field really has, tried first."""


def value_of(path: Path, domain: Domain, *, usual: Json = None) -> Json:
    """A value that the domain allows, the usual one where it can be; the field must not be one that is missing."""
    if domain.only is not None:
        return usual if usual in domain.only else domain.only[0]
    if domain.has:
        return list(domain.has)
    if domain.low[0] > -inf or domain.high[0] < inf:
        return _number(domain)
    if domain.after is not None or domain.before is not None:
        return _text_between(domain)
    if usual is not None and domain.takes(usual):
        return usual
    numbers = [value for value in domain.never if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if domain.kind == "number" or (numbers and domain.kind is None):
        return max(numbers, default=0) + 1
    if domain.kind == "true or false" or True in domain.never or False in domain.never:
        return not any(value is True for value in domain.never)
    name = path[-1]
    found = next((value for value in _POOLS.get(name, ()) if value not in domain.never), None)
    return found or next(text for text in _others(name) if text not in domain.never)


def _others(name: str) -> Iterator[str]:
    number = 1
    while True:
        yield f"{name.replace('_', '-')}-{number}"
        number += 1


def _number(domain: Domain) -> Json:
    return next(number for number in _numbers(domain) if number not in domain.never)


def _numbers(domain: Domain) -> Iterator[Json]:
    """Numbers that lie within the bounds, the plainest first; more of them than a condition can name."""
    (low, with_low), (high, with_high) = domain.low, domain.high
    if low > -inf and with_low:
        yield _plain(low)
    if high < inf and with_high:
        yield _plain(high)
    for step in range(1, 1_000):
        if low == -inf:
            yield _plain(high - step)
        elif high == inf:
            yield _plain(low + (0.1 * step if 0 <= low < 0.9 else step))
        else:
            yield _plain(low + (high - low) / (step + 1))


def _plain(number: float) -> Json:
    return int(number) if number == int(number) else round(number, 6)


def _text_between(domain: Domain) -> str:
    if domain.after is not None:
        later = _day(domain.after, 1)
        return later if later > domain.after else f"{domain.after}a"
    assert domain.before is not None
    earlier = _day(domain.before, -1)
    return earlier if earlier < domain.before else ""


def _day(text: str, days: int) -> str:
    """The date so many days from this one; a text that is no date stands as it is, and a little later."""
    try:
        return (date.fromisoformat(text[:10]) + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):
        return f"{text}a" if days > 0 else text


def reads_of(expression: Expression | None, root: str) -> tuple[Path, ...]:
    """The fields under this name that the expression reads."""
    paths = () if expression is None else tuple(tuple(path.split(".")) for path in expression.reads)
    return tuple(path for path in paths if path[0] == root)
