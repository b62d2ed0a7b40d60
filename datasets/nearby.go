package datasets

import (
	"context"
	"errors"
	"os"

	"github.com/sourcegraph/conc/pool"
)

// nearbyBytes are fetched by one request.
const nearbyBytes = 4 << 20

// nearby copies an archive of a store into a file without a name, and closes it: to list it takes all of it anyway, and then each image would be
// a request. An archive of which the store does not give some part is returned as it is: then only the images there are lost.
func nearby(ctx context.Context, far Object, o Options) (Object, error) {
	f, err := createUnnamed(o.TempDir)
	if err != nil {
		return far, err
	}
	err = fetchTo(ctx, far, f, o.meter)
	var full *tempSpaceError
	switch {
	case err == nil:
		return &localObject{f, far.Size()}, far.Close()
	case ctx.Err() != nil, failsWhole(err), errors.As(err, &full):
		return far, errors.Join(err, f.Close())
	}
	return far, f.Close()
}

// fetchTo copies an object, several parts at once.
func fetchTo(ctx context.Context, far Object, f *os.File, meter *openMeter) error {
	fetches := pool.New().WithContext(ctx).WithCancelOnError().WithFirstError().WithMaxGoroutines(fetchesAtOnce)
	buffers := make(chan []byte, fetchesAtOnce) // those not in use
	for at := int64(0); at < far.Size(); at += nearbyBytes {
		fetches.Go(func(ctx context.Context) error {
			var buffer []byte
			select {
			case buffer = <-buffers:
			default:
				buffer = make([]byte, min(nearbyBytes, far.Size()))
			}
			defer func() { buffers <- buffer }()
			part := buffer[:min(nearbyBytes, far.Size()-at)]
			if err := readFull(ctx, far, part, at); err != nil {
				return err
			}
			if _, err := f.WriteAt(part, at); err != nil {
				return noTempSpace(err)
			}
			meter.add(0, int64(len(part)))
			return nil
		})
	}
	return fetches.Wait()
}
