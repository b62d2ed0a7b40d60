package datasets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Files that tell classes in a WebDataset.
const (
	clsExtension  = ".cls"
	jsonExtension = ".json"
)

// mostClass is the size in bytes that the name of a class may have.
const mostClass = 1000

// mostLabel is the size in bytes above which a file is not read to find a class in it.
func mostLabel(ext string) int64 {
	switch ext {
	case clsExtension:
		return 4 << 10
	case jsonExtension:
		return 1 << 20
	}
	return 0
}

// classFields are those of a JSON object that tell the class, the first that is there.
var classFields = []string{"label", "cls", "class", "target"}

// parseLabel returns the class that a file tells, a word or a whole number; "" where it tells of something else, or by a negative number that
// there is none.
func parseLabel(ext string, content []byte) (string, error) {
	class, err := parseAnyLabel(ext, content)
	if len(class) > mostClass {
		return "", fmt.Errorf("its class has %d bytes, more than the %d allowed", len(class), mostClass)
	}
	return classOf(class), err
}

// classOf is the class that a label tells: "" for a negative number, by which many sets say that there is none.
func classOf(label string) string {
	if n, err := strconv.Atoi(label); err == nil && n < 0 {
		return ""
	}
	return label
}

func parseAnyLabel(ext string, content []byte) (string, error) {
	if int64(len(content)) > mostLabel(ext) {
		return "", fmt.Errorf("it is larger than the %d bytes of any label", mostLabel(ext))
	}
	if ext == clsExtension {
		class := strings.TrimSpace(string(content))
		if class == "" || strings.ContainsAny(class, "\n\r\x00") || !utf8.ValidString(class) {
			return "", errors.New("it does not hold a class: one number or word is expected")
		}
		return class, nil
	}
	content = bytes.TrimSpace(content)
	if !bytes.HasPrefix(content, []byte("{")) && json.Valid(content) {
		return "", nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(content, &fields); err != nil {
		return "", fmt.Errorf("it is no JSON (%w): write it again", err)
	}
	for _, name := range classFields {
		value, ok := fields[name]
		if !ok || string(value) == "null" {
			continue
		}
		class, err := parseClass(value)
		if err != nil {
			return "", fmt.Errorf("its field %q is %.40s: one number or word is expected", name, value)
		}
		return class, nil
	}
	return "", nil
}

// parseClass reads a value of JSON.
func parseClass(value json.RawMessage) (string, error) {
	var word string
	if json.Unmarshal(value, &word) == nil {
		word = strings.TrimSpace(word)
		if word == "" {
			return "", errors.New("empty")
		}
		return word, nil
	}
	var number float64
	if err := json.Unmarshal(value, &number); err != nil {
		return "", err
	}
	if number != float64(int64(number)) { // 7.0 is how some write 7
		return "", errors.New("no whole number")
	}
	return fmt.Sprint(int64(number)), nil
}
