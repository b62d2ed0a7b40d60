package datasets

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriteBack has the system begin to bring n bytes of a file to disk, so that a Sync at its end need not wait for all of it. Whether it
// does is of no account: Sync tells what fails.
func beginWriteBack(f outputFile, from int64, n int) {
	const worthIt = 1 << 20
	if file, ok := f.(*os.File); ok && n >= worthIt {
		unix.SyncFileRange(int(file.Fd()), from, int64(n), unix.SYNC_FILE_RANGE_WRITE) //nolint:errcheck // see above
	}
}
