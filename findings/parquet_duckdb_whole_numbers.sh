#!/usr/bin/env bash
# DuckDB 2.0.0 writing Parquet for pyarrow 26.0.1, and the other way round.
#
# Surprise: a sum of BIGINTs is a HUGEINT, and Parquet has no such type, so
# DuckDB writes a DOUBLE: the exact sum 9007199254740993 is in the file as
# 9007199254740992.0, while count(*) beside it stays whole. The same happens to
# a decimal of more than 38 digits when DuckDB reads it. A TIMETZ is stored in
# UTC and not marked so. A date 'infinity' is the day 2147483647, of which
# pyarrow cannot make a date. A duration becomes a number without its unit.
#
# For gopiper: a total that some query wrote is a float in the file. A Parquet
# source does not promise whole numbers for a column by its name, and passes on
# the ends of the range unchanged.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install duckdb==2.0.0 pyarrow==26.0.1
v/bin/python - > seen <<'E'
from decimal import Decimal
import duckdb, pyarrow as pa, pyarrow.parquet as pq

duckdb.sql("""
    copy (select sum(x) as total, count(*) as n, timetz '12:00:00+02' as timetz, date 'infinity' as day
          from (values (9007199254740992::bigint), (1)) as v(x)) to 'a.parquet' (format parquet)""")
print("DuckDB says", *duckdb.sql("select sum(x) from (values (9007199254740992::bigint), (1)) as v(x)").fetchall()[0])
table = pq.read_table("a.parquet")
for name in ("total", "n", "timetz"):
    print("pyarrow:", name, table[name].type, table[name][0].as_py())
print("pyarrow: day", table["day"].type, table["day"][0].value, end=" ")
try:
    print(table["day"][0].as_py())
except OverflowError as error:
    print("OverflowError:", error)

pq.write_table(pa.table({
    "amount": pa.array([Decimal("12345678901234567890123456789012345678.91")], pa.decimal256(40, 2)),
    "lasted": pa.array([5], pa.duration("ms")),
}), "b.parquet")
back = duckdb.sql("select * from 'b.parquet'")
print("DuckDB:", *zip(back.columns, map(str, back.types), back.fetchall()[0]))
E
cat seen
diff -u - seen <<'E'
DuckDB says 9007199254740993
pyarrow: total double 9007199254740992.0
pyarrow: n int64 2
pyarrow: timetz time64[us] 10:00:00
pyarrow: day date32[day] 2147483647 OverflowError: days=2147483647; must have magnitude <= 999999999
DuckDB: ('amount', 'DOUBLE', 1.2345678901234568e+37) ('lasted', 'BIGINT', 5)
E
