package reference

import "bytes"

const cheapAnswers = "0.0\n0.1\n0.2\n0.3\n0.4\n0.5\n0.6\n0.7\n0.8\n0.9\n"

// cheap answers each line by the last digit of its first field, and counts the lines.
// Most bytes are passed over by bytes.IndexByte.
func cheap(out *bytes.Buffer, payload []byte, short bool) int {
	n := 0
	for len(payload) > 0 {
		end := bytes.IndexByte(payload, '\n')
		line, rest := payload, []byte(nil)
		if end >= 0 {
			line, rest = payload[:end], payload[end+1:]
		}
		payload = rest
		if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
			continue
		}
		n++
		if short && len(payload) == 0 {
			break
		}
		digit := 4 * int(lastDigit(line)-'0')
		out.WriteString(cheapAnswers[digit : digit+4])
	}
	return n
}

// lastDigit is the last digit of a line's first field, '0' without a digit. Closing
// marks of JSON behind the digit are passed over.
func lastDigit(line []byte) byte {
	if comma := bytes.IndexByte(line, ','); comma >= 0 {
		line = line[:comma]
	}
	for i := len(line) - 1; i >= 0; i-- {
		switch c := line[i]; {
		case '0' <= c && c <= '9':
			return c
		case c != '"' && c != '}' && c != ']' && c != ' ':
			return '0'
		}
	}
	return '0'
}
