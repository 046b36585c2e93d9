"""JMESPath expressions over an event, `{"type", "timestamp", "data"}`: read strictly, evaluated within a budget. Pure.

Grammar and functions are the library's (https://jmespath.org/specification.html). It finds an unknown function and a
wrong number of arguments on evaluation; here they are refused on reading, as is a literal that is not JSON.
"""

from collections.abc import Mapping
from functools import lru_cache
from itertools import zip_longest
from typing import Any

import msgspec
from jmespath import ast
from jmespath.exceptions import (
    EmptyExpressionError,
    IncompleteExpressionError,
    JMESPathTypeError,
    LexerError,
    ParseError,
)
from jmespath.functions import TYPES_MAP, Functions
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from jmespath.visitor import TreeInterpreter

LONGEST = 2_000  # characters
DEEPEST = 64  # expressions within each other; and arrays and objects in a literal
STEPS = 10_000  # of one evaluation
STEPS_AN_EVENT = 100_000  # of all that are evaluated over one event
_CHARACTERS_PER_STEP = 64
_SHOWN_STEPS = 100
_TOO_DEEP = f"expressions are more than {DEEPEST} deep within each other"
_CACHED_AT_MOST = 1_000
# Functions that do not look into what their arguments hold.
_SHALLOW = frozenset({"keys", "length", "map", "merge", "not_null", "reverse", "to_array", "type", "values"})
_LOOKING_INTO = frozenset({"subexpression", "value_projection", "projection", "filter_projection", "flatten"})

Node = dict[str, Any]


class Invalid(ValueError):
    """No expression that is taken. `position` is the character where that shows, from 1."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"at character {position}: {reason}")
        self.position = position


class _BudgetSpent(ValueError):
    pass


class Outcome(msgspec.Struct, frozen=True):
    """The `value` that an evaluation yielded, or the `error` that ended it; and how many `steps` it took."""

    value: Any = None
    error: str | None = None
    steps: int = 0

    @property
    def matches(self) -> bool:
        """By JMESPath's truth: null, false and what is empty are not true, 0 is."""
        is_false = self.value is None or self.value is False or self.value in ("", [], {})
        return self.error is None and not is_false


@lru_cache(_CACHED_AT_MOST)
def parse(text: str) -> Node:
    """
    Raises:
        Invalid: it is no expression, or is too long or too deep.
    """
    if len(text) > LONGEST:
        raise Invalid(f"an expression has at most {LONGEST} characters", LONGEST + 1)
    try:
        text.encode()
        tree = _Parser().read(text)
    except UnicodeEncodeError as error:
        raise Invalid("half a character is no text", error.start + 1) from None
    except EmptyExpressionError:
        raise Invalid("there is no expression", 1) from None
    except IncompleteExpressionError:
        raise Invalid("the expression ends too early", len(text) + 1) from None
    except LexerError as error:
        raise Invalid(error.message, error.lexer_position + 1) from None
    except ParseError as error:
        raise Invalid(error.msg, error.lex_position + 1) from None
    _check_tree(tree)
    return tree


def evaluate(text: str, payload: Mapping[str, Any], steps: int = STEPS) -> Outcome:
    """In so many steps at most. Whatever goes wrong is an outcome, and so is what was parsed by another version, or
    written by hand."""
    budget = _Budget(steps)
    try:
        return Outcome(_Interpreter(budget).visit(parse(text), payload), steps=steps - budget.left)
    except Invalid as error:
        wrong = str(error)
    except _BudgetSpent:
        wrong = f"it takes more than {steps} steps"
    except JMESPathTypeError as error:  # its own text has the value, which may be large
        found = TYPES_MAP.get(error.actual_type, error.actual_type)
        wrong = f"{error.function_name}() takes {' or '.join(error.expected_types)}, and not {found}"
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        wrong = "a comparison or a function cannot take its values"
    return Outcome(error=wrong, steps=steps - budget.left)


def shown(value: Any) -> Any:
    """The value as JSON can show it: null where it is large, or holds half a character, and for an infinity."""
    try:
        _Budget(_SHOWN_STEPS).spend_on(value)
        return msgspec.json.decode(msgspec.json.encode(value))
    except (_BudgetSpent, UnicodeEncodeError):
        return None


class _Lexer(Lexer):
    def _consume_literal(self) -> dict[str, Any]:
        """As the library's, which takes what is no JSON for a text, and a NaN for a number."""
        start = self._position
        lexeme = self._consume_until("`").replace("\\`", "`")
        if lexeme.count("[") + lexeme.count("{") > DEEPEST:
            raise LexerError(start, "", f"a literal has at most {DEEPEST} arrays and objects")
        try:
            value = msgspec.json.decode(lexeme)
        except (ValueError, msgspec.DecodeError):
            raise LexerError(start, "", "what stands between ` is JSON; a text stands between '") from None
        return {"type": "literal", "value": value, "start": start, "end": self._position}


class _Parser(Parser):
    _depth = 0

    def read(self, text: str) -> Node:
        self._tokens = list(_Lexer().tokenize(text))
        tree: Node = self._expression()
        token = self._lookahead_token(0)
        if token["type"] != "eof":
            raise _error_at(token, "nothing more is expected here")
        return tree

    def _expression(self, binding_power: int = 0) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise _error_at(self._lookahead_token(0), _TOO_DEEP)
        expression: Node = super()._expression(binding_power)
        self._depth -= 1
        return expression

    def _token_nud_expref(self, token: dict[str, Any]) -> Node:
        return {**super()._token_nud_expref(token), "start": token["start"]}

    def _token_nud_not(self, token: dict[str, Any]) -> Node:
        return {**super()._token_nud_not(token), "start": token["start"]}

    def _token_led_lparen(self, left: Node) -> Node:
        name = self._lookahead_token(-2)
        call: Node = super()._token_led_lparen(left)
        wrong = _wrong_in(call)
        if wrong:
            raise _error_at(name, wrong)
        return call


def _error_at(token: dict[str, Any], reason: str) -> ParseError:
    return ParseError(token["start"], token["value"], token["type"], reason)


def _wrong_in(call: Node) -> str | None:
    name, arguments = call["value"], call["children"]
    if name not in Functions.FUNCTION_TABLE:
        return f"there is no function {name}()"
    parameters = Functions.FUNCTION_TABLE[name]["signature"]
    is_variadic = parameters[-1].get("variadic", False)
    if len(arguments) < len(parameters) or (len(arguments) > len(parameters) and not is_variadic):
        least = "at least " * is_variadic
        return f"{name}() has {least}{len(parameters)} in its brackets, and not {len(arguments)}"
    for argument, parameter in zip_longest(arguments, parameters, fillvalue=parameters[-1]):
        takes_an_expression = "expref" in parameter["types"]
        if takes_an_expression != (argument["type"] == "expref"):
            return f"{name}() takes {'an expression with &' if takes_an_expression else 'a value'} there"
    return None


def _check_tree(tree: Node) -> None:
    """
    Raises:
        Invalid: a chain, as `a || b || …`, makes it too deep; an expression with & is no argument of a function; or
            something is looked for in a boolean, where there is nothing: to the library `!a.b` is `(!a).b`.
    """
    level: list[Node] = [{"type": "whole", "children": [tree]}]
    for _ in range(DEEPEST + 1):
        below = [(node, child) for node in level for child in node["children"] if isinstance(child, dict)]
        for node, child in below:
            if child["type"] == "expref" and node["type"] != "function_expression":
                raise Invalid("an expression with & stands only for an argument of a function", child["start"] + 1)
            if child["type"] == "not_expression" and node["type"] in _LOOKING_INTO and child is node["children"][0]:
                raise Invalid("! binds more closely than what follows; write !(a.b)", child["start"] + 1)
        level = [child for _, child in below]
    if level:
        raise Invalid(_TOO_DEEP, 1)


class _Budget:
    """Steps rather than seconds: the same expression over the same event always ends the same way."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def spend(self, steps: int) -> None:
        """
        Raises:
            _BudgetSpent: there are not so many left.
        """
        is_enough = steps <= self.left
        self.left = max(0, self.left - steps)
        if not is_enough:
            raise _BudgetSpent

    def spend_on(self, value: Any) -> None:
        """For the value and all that it holds, each before it is looked into. What stands in many places, as
        `[@, @] | [@, @] | …` makes it, is paid for in each."""
        waiting = [value]
        while waiting:
            value = waiting.pop()
            self.spend(_size(value))
            if isinstance(value, dict):
                waiting += [*value, *value.values()]
            elif isinstance(value, list):
                waiting += value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS_PER_STEP
    return 1 + len(value) if isinstance(value, list | dict) else 1


class _Interpreter(TreeInterpreter):
    """As the library's, within a budget. What yields or looks at much is paid for before it does."""

    def __init__(self, budget: _Budget) -> None:
        super().__init__()
        self._budget = budget

    def visit(self, node: Node, value: Any) -> Any:
        self._budget.spend(1)
        return super().visit(node, value)

    def visit_comparator(self, node: Node, value: Any) -> Any:
        operands = [self.visit(child, value) for child in node["children"]]
        self._budget.spend_on(operands)
        return super().visit_comparator({**node, "children": [ast.literal(each) for each in operands]}, value)

    def visit_flatten(self, node: Node, value: Any) -> Any:
        base = self.visit(node["children"][0], value)
        if isinstance(base, list):
            self._budget.spend(sum(len(each) if isinstance(each, list) else 1 for each in base))
        return super().visit_flatten({"children": [ast.literal(base)]}, value)

    def visit_function_expression(self, node: Node, value: Any) -> Any:
        name, arguments = node["value"], [self.visit(child, value) for child in node["children"]]
        if name in _SHALLOW:
            self._budget.spend(sum(map(_size, arguments)))
        else:
            self._budget.spend_on(arguments)
        if name == "join" and isinstance(arguments[1], list):
            self._budget.spend(_size(arguments[0]) * len(arguments[1]))
        return self._functions.call_function(name, arguments)
