#ifndef GOCLR_TURBO_DECODER_H
#define GOCLR_TURBO_DECODER_H

#include <setjmp.h>

#include "decode.h"
#include "huffman.h"

struct decoder {
	struct jpeg_decompress_struct jpeg;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	struct huffman huffman;
	jmp_buf failed;
	char message[JMSG_LENGTH_MAX];
};

/* give_up ends the call of decoder_read, which then says why. */
_Noreturn void give_up(decoder *d, const char *why);

#endif
