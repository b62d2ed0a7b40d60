// What the libraries that stand for CUDA's share: a device's memory that only they can read, and a record of the calls.
#ifndef STUB_H
#define STUB_H

#include <stddef.h>

#include <functional>

extern "C" {
// stub_enter lets the calling library read and write the device's memory until stub_leave; calls nest.
void stub_enter();
void stub_leave();
// stub_drain does the work that is still to be done in a stream, and what that waits for in others.
void stub_drain(void *stream);
// stub_start does work after all before it in a stream, which may use the device's memory. If the stream is being captured, it does so
// each time that the graph is launched: work must not refer to what its caller may change.
int stub_start(void *stream, const std::function<void()> &work);
// stub_fault does what a kernel does to the GPU that touches memory that is not its own.
void stub_fault();
// stub_record adds a line to the record of calls, as printf does.
void stub_record(const char *format, ...) __attribute__((format(printf, 1, 2)));
// stub_setting is the number that a test gave a name, or another one.
long long stub_setting(const char *name, long long otherwise);
// stub_text is the text that a test gave a name, or "".
const char *stub_text(const char *name);
// stub_is_device says whether bytes from p on lie in memory that was allocated on the device.
int stub_is_device(const void *p, size_t bytes);
// stub_load takes the memory for something that is loaded when it first computes; 0: there is not enough.
int stub_load(const char *what);
// stub_hold counts something that was made, or with -1 given back.
void stub_hold(int n);
}

#endif
