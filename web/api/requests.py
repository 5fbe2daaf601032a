"""Bodies of requests, read strictly: what is no JSON is told so, and never taken for none."""

from typing import Any

import flask
import msgspec

from web.problems import Malformed, Unprocessable, UnsupportedMediaType


def _number(text: str) -> float:
    """Return a number that is written with a point or an exponent; a whole one is the same however it is written."""
    number = float(text)
    return int(number) if number.is_integer() else number


_decoder = msgspec.json.Decoder(float_hook=_number)


class Request(flask.Request):
    """A request whose JSON is read as RFC 8259 has it, whoever asks for it and however."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the JSON object of the body.

        Raises:
            UnsupportedMediaType: It says that it is something else.
            Malformed: It is not JSON, or not UTF-8, or nests without end.
            Unprocessable: It is no object.
        """
        if not (force or self.is_json):
            raise UnsupportedMediaType("The body is to be JSON: Content-Type: application/json")
        data = self.get_data(cache=cache)
        try:
            found = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Malformed(f"The body is not JSON: {error}.") from None
        except RecursionError:
            raise Malformed("The body is not JSON that can be read: it nests too deeply.") from None
        if not isinstance(found, dict):
            raise Unprocessable("The body is to be a JSON object.")
        return found
