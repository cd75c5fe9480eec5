"""A regular expression, searched from an offset."""


class ReadUntil:
    def find_end(self, buffer, closed):
        pattern = re.compile(re.escape(self.delimiter))
        match = pattern.search(buffer, max(0, self._searched - len(self.delimiter)))
        self._searched = len(buffer)
        size = match.end() if match else len(buffer)
        _check_max_bytes(size, self.max_bytes, self.delimiter)
        return match and match.end()
