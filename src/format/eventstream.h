// SPDX-License-Identifier: Apache-2.0
// Messages of application/vnd.amazon.eventstream, in which AWS streams answers. Written only: nobody
// sends us one. (Amazon Event Stream Specification, as in the Smithy documentation.)
//
//     | total size u32 | headers size u32 | CRC-32 of these 8 bytes u32 |
//     | headers | payload | CRC-32 of all before u32 |                          big-endian
//     header: | name size u8 | name | 7: a string u8 | value size u16 | value |
#pragma once

#include "base/buf.h"

#define EVENTSTREAM_TYPE     "application/vnd.amazon.eventstream"
#define EVENTSTREAM_SIZE_MAX (16 * 1024 * 1024) // of a payload, as clients take it

// Appends an event: `type` names it ("PayloadChunk"), `content_type` its payload. What does not fit
// overflows `out`.
void eventstream_event(struct buf *out, const char *type, const char *content_type,
                       struct str payload);
