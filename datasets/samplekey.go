package datasets

import (
	"strings"
	"unicode/utf8"
)

// sampleKeyOf is the key of an image by the name it has in its source, which may be any bytes, while keys are text. Bytes that are no UTF-8 become \xHH, and a
// backslash that such a thing begins with already becomes \x5c: so no two names share a key, and nearly all names are their keys.
func sampleKeyOf(name string) string {
	if utf8.ValidString(name) && !strings.Contains(name, `\x`) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); {
		_, size := utf8.DecodeRuneInString(name[i:])
		if broken := !utf8.ValidString(name[i : i+size]); broken || isEscape(name[i:]) {
			const digits = "0123456789abcdef"
			b.WriteString(`\x`)
			b.WriteByte(digits[name[i]>>4])
			b.WriteByte(digits[name[i]&15])
		} else {
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	return b.String()
}

// isEscape reports whether a text begins with \x and two lower-case hexadecimal digits.
func isEscape(s string) bool {
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
	return len(s) >= 4 && s[:2] == `\x` && isDigit(s[2]) && isDigit(s[3])
}
