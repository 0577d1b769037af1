"""CREATE TABLE as it is written."""

from __future__ import annotations

from penstock.sql.lexer import QUOTED, WORD
from penstock.sql.parse_query import QueryParser
from penstock.sql.statements import ColumnDefinition, CreateTable, Option, WatermarkDefinition
from penstock.sql.syntax import Ident


class TableParser(QueryParser):
    """Reads the parts of CREATE TABLE."""

    def _if_not_exists(self) -> bool:
        return self.take("IF", "NOT", "EXISTS")

    def _table_name(self) -> Ident:
        path = self.path("the name of a table")
        last = path[-1]
        return Ident(last.name, at=path[0].at, end=last.end)

    def _create_table(self, start: int) -> CreateTable:
        self.advance()
        exists = self._if_not_exists()
        name = self._table_name().name
        columns: list[ColumnDefinition] = []
        watermark: WatermarkDefinition | None = None
        key: tuple[Ident, ...] = ()
        if self.take("("):
            while not self.sees(")"):
                at = self.token.start
                if self.sees("WATERMARK") and self.peek().upper == "FOR":
                    if watermark is not None:
                        raise self.unexpected("a table has one watermark")
                    watermark = self._watermark()
                elif self.sees_any(("PRIMARY", "CONSTRAINT", "UNIQUE")) and self.peek().kind in (WORD, QUOTED):
                    key = self._primary_key(at)
                else:
                    column, is_key = self._column()
                    columns.append(column)
                    if is_key:
                        key = (Ident(column.name, at=column.at, end=column.end),)
                if self.take(",") and self.sees(")"):
                    raise self.text.error(
                        "there is a comma too many", self.tokens[self.index - 1].start, hint="leave the last comma out"
                    )
                if not self.sees(")") and self.tokens[self.index - 1].text != ",":
                    raise self.unexpected(
                        f'expected "," or ")" in the columns of "{name}"', hint="a column is a name and a type"
                    )
            self.advance()
        return self._table_rest(start, name, exists, tuple(columns), watermark, key)

    def _table_rest(
        self,
        start: int,
        name: str,
        exists: bool,
        columns: tuple[ColumnDefinition, ...],
        watermark: WatermarkDefinition | None,
        key: tuple[Ident, ...],
    ) -> CreateTable:
        comment = self.string("a comment").text if self.take("COMMENT") else None
        if self.sees("DISTRIBUTED"):
            raise self.unexpected("DISTRIBUTED BY is not offered: connectors choose partitions by the key")
        partitioned: tuple[Ident, ...] = ()
        if self.take("PARTITIONED"):
            self.expect("BY", "after PARTITIONED")
            partitioned = self.in_brackets(lambda: self.ident("a column"), "the columns")
        options: tuple[Option, ...] = ()
        if self.take("WITH"):
            options = self._options()
        like, query = None, None
        like_options: tuple[str, ...] = ()
        if self.take("LIKE"):
            like = self._table_name()
            like_options = self._like_options()
        elif self.take("AS"):
            query = self.query()
        return CreateTable(
            name, columns, watermark, key, partitioned, options, like, like_options, query, exists, comment,
            at=start, end=self.last_end,
        )  # fmt: skip

    def _column(self) -> tuple[ColumnDefinition, bool]:
        name = self.ident("the name of a column", any_word=True)
        at, is_key = name.at, False
        if self.take("AS"):
            value = self.expression()
            comment = self.string("a comment").text if self.take("COMMENT") else None
            return ColumnDefinition(name.name, computed=value, comment=comment, at=at, end=self.last_end), False
        kind = self.type()
        metadata, is_metadata, virtual = None, False, False
        if self.take("METADATA"):
            is_metadata = True
            metadata = self.string("the key of the metadata").text if self.take("FROM") else name.name
            virtual = self.take("VIRTUAL")
        while True:
            if self.sees("PRIMARY"):
                self._primary_key(self.token.start, inline=True)
                is_key = True
            elif self.sees("DEFAULT"):
                raise self.unexpected("columns have no defaults in Flink SQL", hint="COALESCE where it is read")
            elif self.sees("UNIQUE"):
                raise self.unexpected("UNIQUE is not in Flink SQL", hint="PRIMARY KEY (a) NOT ENFORCED")
            else:
                break
        comment = self.string("a comment").text if self.take("COMMENT") else None
        made = ColumnDefinition(
            name.name, kind, None, metadata, is_metadata, virtual, comment, at=at, end=self.last_end
        )
        return made, is_key

    def _primary_key(self, at: int, *, inline: bool = False) -> tuple[Ident, ...]:
        if self.take("CONSTRAINT"):
            self.ident("the name of the constraint")
        if self.sees("UNIQUE"):
            raise self.unexpected("UNIQUE is not in Flink SQL", hint="PRIMARY KEY (a) NOT ENFORCED")
        self.expect("PRIMARY", "of the constraint")
        self.expect("KEY", "after PRIMARY")
        names = () if inline else self.in_brackets(lambda: self.ident("a column"), "the key")
        if not self.take("NOT", "ENFORCED"):
            raise self.text.error(
                "a primary key must be NOT ENFORCED: nobody checks it", at, self.last_end, hint="add NOT ENFORCED"
            )
        return names

    def _watermark(self) -> WatermarkDefinition:
        start = self.advance().start
        self.advance()
        column = self.ident("the column of event time")
        self.expect("AS", "after WATERMARK FOR", hint="WATERMARK FOR t AS t - INTERVAL '5' SECOND")
        return WatermarkDefinition(column, self.expression(), at=start, end=self.last_end)

    def _options(self) -> tuple[Option, ...]:
        self.expect("(", "after WITH")
        found: list[Option] = []
        while not self.sees(")"):
            key = self.string("the name of an option")
            self.expect("=", f"after '{key.text}'")
            value = self.string(f"the value of '{key.text}'")
            if any(one.key == key.text for one in found):
                raise self.text.error(f"the option '{key.text}' is given twice", key.start, key.end)
            found.append(Option(key.text, value.text, value.start, at=key.start, end=key.end))
            if not self.sees(")"):
                self.expect(",", "between the options", hint="'a' = '1', 'b' = '2'")
                if self.sees(")"):
                    raise self.text.error("there is a comma too many", self.last_end - 1, hint="leave it out")
        self.advance()
        return tuple(found)

    def _like_options(self) -> tuple[str, ...]:
        if not self.take("("):
            return ()
        found = []
        while not self.take(")"):
            first = self.take_any(("INCLUDING", "EXCLUDING", "OVERWRITING"))
            if first is None:
                raise self.unexpected("expected INCLUDING, EXCLUDING or OVERWRITING")
            kind = self.ident("what", any_word=True).name.upper()
            found.append(f"{first} {kind}")
        return tuple(found)
