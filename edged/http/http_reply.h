/* SPDX-License-Identifier: MIT */
/*
 * Answers. Each exchange is answered exactly once; a second answer is ignored with a logged error
 * (and an assertion in debug builds). After the call the exchange may be gone: do not touch it
 * again, except for stream answers until their end.
 */
#ifndef HTTP_HTTP_REPLY_H
#define HTTP_HTTP_REPLY_H

#include "base/buf.h"
#include "base/slice.h"
#include "http/http_server.h"

/* Status with JSON. Takes over the content of body (which becomes empty) and wipes it after sending
 * when the buffer is sensitive. */
void http_reply_json(struct http_exchange *x, int status, struct buf *body);

/* {"message": text}; text is cleaned to valid UTF-8. */
void http_reply_error(struct http_exchange *x, int status, const char *message);

/* The same with Retry-After, for 429 and 503. */
void http_reply_busy(struct http_exchange *x, int status, unsigned retry_after_s,
                     const char *message);

/* No body, no Content-Type. */
void http_reply_empty(struct http_exchange *x, int status);

/* Chunked stream. on_writable runs when the connection has drained after http_reply_stream_write
 * returned false (pause the source); on_gone runs when the client went away: stop, and call nothing
 * more on x. Both run later than the calls here; both may be NULL. The deadline of the route ends
 * with the beginning of a stream. A source that goes on writing above HTTP_STREAM_MAX queued bytes
 * breaks the connection. */
void http_reply_stream_begin(struct http_exchange *x, int status, const char *content_type,
                             void (*on_writable)(void *data), void (*on_gone)(void *data),
                             void *data);
bool http_reply_stream_write(struct http_exchange *x, struct slice bytes);
/* After either nothing of the source is called any more, even if the client has gone meanwhile. */
void http_reply_stream_end(struct http_exchange *x);
/* For a source that failed: what was written is sent, then the connection is closed without the
 * mark of the end, by which a client of HTTP/1.1 knows that something is missing. */
void http_reply_stream_break(struct http_exchange *x);

#endif
