package cache

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// bootFile names the start of the machine that all which is called .object is younger than, or was checked after.
const bootFile = "goclr-cache"

// thisBoot names the last start of the machine, or that of the process where the system does not tell.
var thisBoot = sync.OnceValue(func() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rand.Text()
	}
	return strings.TrimSpace(string(id))
})

// begin makes all objects unsure that were ready when the machine was started, when it sees the folder for the first time. It sets c.trusted, unless
// that cannot be done in a folder that is read-only. The folder is locked.
func (c *Cache) begin(f *folder) error {
	content, err := f.root.ReadFile(bootFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if boot := string(content); boot == thisBoot() || boot != "" && c.trusted.Load() {
		c.trusted.Store(true)
		return nil
	}
	err = f.doubt()
	if err == nil { // not before all are renamed: a kill in between must not hide the rest
		err = f.root.WriteFile(bootFile, []byte(thisBoot()), 0o644)
	}
	if isReadOnly(err) {
		return nil
	}
	if err == nil {
		c.trusted.Store(true)
	}
	return err
}

// doubt makes all objects unsure.
func (f *folder) doubt() error {
	list, err := f.list()
	if err != nil {
		return err
	}
	for _, s := range list {
		key, isReady := strings.CutSuffix(s.name, ready)
		if !isReady {
			continue
		}
		if err := f.root.Rename(s.name, key+unsure); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
