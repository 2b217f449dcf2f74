"""The small functions at the head of a source: what C's own operators leave undefined.

Each is a template over a data type: `$T` is its C type, `$U` the unsigned type in which it cannot
overflow. A helper is written only where something calls it.
"""

from __future__ import annotations

from string import Template

from tilewright.support.dtypes import dtype_of

from . import narrow
from .types import float_literal, int_literal, memory_type, unsigned_type, value_type

_INTEGER = {
    "add": "return ($T)(($U)a + ($U)b);",
    "sub": "return ($T)(($U)a - ($U)b);",
    "mul": "return ($T)(($U)a * ($U)b);",
    # Division by zero gives 0; the one overflow wraps around.
    "div": "return b == 0 ? 0 : $overflow_div($T)(a / b);",
    "mod": "return b == 0 ? 0 : $overflow_mod($T)(a % b);",
    "floordiv": """\
if (b == 0) return 0;
  $check_div$T q = ($T)(a / b), r = ($T)(a % b);
  return ($T)(r != 0 && (r ^ b) < 0 ? q - 1 : q);""",
    "floormod": """\
if (b == 0) return 0;
  $check_mod$T r = ($T)(a % b);
  return ($T)(r != 0 && (r ^ b) < 0 ? r + b : r);""",
    "min": "return a < b ? a : b;",
    "max": "return a > b ? a : b;",
    # A shift by at least the width gives 0, or the sign.
    "shl": "return ($S)b < $bits ? ($T)(($U)a << ($S)b) : 0;",
    "shr": "return ($S)b < $bits ? ($T)(a >> ($S)b) : $sign;",
}
_FLOAT = {
    "min": "return a < b || a != a ? a : b;",  # NaN if either is
    "max": "return a > b || a != a ? a : b;",
    "floormod": """\
$T r = fmod$F(a, b);
  if (r == 0) return copysign$F(0, b);
  return (r < 0) != (b < 0) ? r + b : r;""",
}
_UNARY = {
    "popcount": "int n = 0; for (; u; u &= u - 1) ++n; return n;",
    "clz": "int n = $bits; for (; u; u >>= 1) --n; return n;",
}
_TO_ODD = """\
static inline float tw_to_odd(double x) {
  float y = (float)x; uint32_t u;
  if ((double)y == x || x != x || isinf(x)) return y;
  memcpy(&u, &y, 4);
  if (fabs((double)y) > fabs(x)) --u;
  u |= 1;
  memcpy(&y, &u, 4);
  return y;
}
"""
_OTHERS = {
    "multiply_shift": """\
static inline int32_t $name(int32_t x, int32_t y, int32_t q, int32_t s) {
  int64_t left = s > 0 ? s : 0, right = q + (s < 0 ? -(int64_t)s : 0);
  int64_t product = (int64_t)((uint64_t)x << left) * y;
  return (int32_t)((product + ((int64_t)1 << (right - 1))) >> right);
}
""",
    "active": """\
static inline bool $name(int64_t begin, int64_t end, int lane) {
  return begin < end && (uint64_t)lane < (uint64_t)end - (uint64_t)begin;
}
""",
    "abs": """\
static inline $T $name($T a) { return a < 0 ? ($T)(0 - ($U)a) : a; }
""",
    "sigmoid": """\
static inline $T $name($T x) { return 1 / (1 + exp$F(-x)); }
""",
}
RUNTIME = {
    "raise": """\
extern void TVMFFIErrorSetRaisedFromCStr(const char *kind, const char *message);
""",
    "packed": """\
typedef struct { const char *data; size_t size; } tw_bytes;
extern int TVMFFIFunctionGetGlobal(const tw_bytes *name, void **out);
extern int TVMFFIFunctionCall(void *function, tw_any *args, int32_t count, tw_any *result);
extern int TVMFFIObjectDecRef(void *object);

/* Calls the global function `name` on args[0..count); the result goes to args[count]. */
static int tw_call_packed(const char *name, size_t size, tw_any *args, int32_t count) {
  tw_bytes key = {name, size};
  void *function = NULL;
  args[count].type = 0;
  args[count].zero = 0;
  args[count].value.i = 0;
  if (TVMFFIFunctionGetGlobal(&key, &function) != 0) return -1;
  if (function == NULL) {
    char text[200] = "no global function is called '";
    strncat(text, name, 150);
    strcat(text, "'");
    TVMFFIErrorSetRaisedFromCStr("ValueError", text);
    return -1;
  }
  int status = TVMFFIFunctionCall(function, args, count, &args[count]);
  TVMFFIObjectDecRef(function);
  return status;
}

/* Gives back an object that nobody asked for. */
static inline void tw_release(tw_any *value) {
  if (value->type >= 64) TVMFFIObjectDecRef(value->value.p);
}
""",
    "workspace": """\
/* Memory aligned for vectors, or NULL. */
static void *tw_allocate(int64_t size) {
  if (size < 0 || (uint64_t)size > SIZE_MAX - 128) return NULL;
  char *raw = (char *)malloc((size_t)size + 64 + sizeof(void *));
  if (raw == NULL) return NULL;
  char *memory = (char *)(((uintptr_t)raw + sizeof(void *) + 63) & ~(uintptr_t)63);
  ((void **)memory)[-1] = raw;
  return memory;
}

static void tw_free(void *memory) { free(((void **)memory)[-1]); }
""",
}
"""Parts of the head that are not templates. `packed` needs `raise`."""


def define(table: dict[str, str], kind: str, dtype: str, source: str = "") -> str:
    """The name of the helper `kind` for `dtype`; its text is in `table` from now on."""
    if kind in RUNTIME:
        table.setdefault(kind, RUNTIME[kind])
        return kind
    name = "tw_to_odd" if kind == "to_odd" else f"tw_{kind}_{dtype}{'_' + source if source else ''}"
    if name not in table:
        text = _text(table, kind, dtype, source, name)
        table[name] = text
    return name


def _text(table: dict[str, str], kind: str, dtype: str, source: str, name: str) -> str:
    if kind == "to_odd":
        return _TO_ODD
    if kind == "narrow_next":
        for part in ("round", "to", "from"):
            define(table, part, dtype)
    if kind in narrow.TEMPLATES:
        return narrow.text(kind, dtype, name)
    if kind == "saturate":
        return _saturate(dtype, source, name)
    if kind in ("bits", "load", "store"):
        return _copies(kind, dtype, source, name)
    return _template(kind, dtype, name)


def _template(kind: str, dtype: str, name: str) -> str:
    info = dtype_of(dtype)
    values = {
        "name": name,
        "T": value_type(dtype),
        "F": "f" if value_type(dtype) == "float" else "",
        "bits": str(info.bits),
    }
    if not info.is_float:
        values |= _integer_values(dtype)
    if kind in _OTHERS:
        return Template(_OTHERS[kind]).substitute(values)
    if kind in _UNARY:
        body = Template(_UNARY[kind]).substitute(values)
        head = f"static inline int {name}(uint{info.bits}_t u)"
    else:
        body = Template((_FLOAT if info.is_float else _INTEGER)[kind]).substitute(values)
        head = f"static inline {values['T']} {name}({values['T']} a, {values['T']} b)"
    return f"{head} {{ {body} }}\n" if "\n" not in body else f"{head} {{\n  {body}\n}}\n"


def _integer_values(dtype: str) -> dict[str, str]:
    info = dtype_of(dtype)
    least = int_literal(int(info.min_value), dtype)
    overflows = info.is_int and info.bits >= 32
    trap = f"a == {least} && b == -1"
    return {
        "U": unsigned_type(dtype),
        "S": f"uint{info.bits}_t",
        "sign": "(a < 0 ? -1 : 0)" if info.is_int else "0",
        "overflow_div": f"{trap} ? a : " if overflows else "",
        "overflow_mod": f"{trap} ? 0 : " if overflows else "",
        "check_div": f"if ({trap}) return a;\n  " if overflows else "",
        "check_mod": f"if ({trap}) return 0;\n  " if overflows else "",
    }


def _saturate(dtype: str, source: str, name: str) -> str:
    """A float as an integer: towards zero, saturated, NaN as 0."""
    info, kind, result = dtype_of(dtype), value_type(source), value_type(dtype)
    low = float_literal(float(info.min_value), source)
    high = float_literal(float(int(info.max_value) + 1), source)
    least, most = (int_literal(int(v), dtype) for v in (info.min_value, info.max_value))
    return (
        f"static inline {result} {name}({kind} x) {{\n"
        f"  return x != x ? 0 : x <= {low} ? {least} : x >= {high} ? {most} : ({result})x;\n}}\n"
    )


def _copies(kind: str, dtype: str, source: str, name: str) -> str:
    """Bits of one type as another, and accesses to memory that is declared as another type."""
    to = memory_type(dtype)
    if kind == "bits":
        of = memory_type(source)
        return (
            f"static inline {to} {name}({of} x) {{ {to} y; memcpy(&y, &x, sizeof y); return y; }}\n"
        )
    if kind == "load":
        return (
            f"static inline {to} {name}(const void *p) "
            f"{{ {to} y; memcpy(&y, p, sizeof y); return y; }}\n"
        )
    return f"static inline void {name}(void *p, {to} x) {{ memcpy(p, &x, sizeof x); }}\n"
