/* SPDX-License-Identifier: MIT */
/*
 * What a client may use of the server: sizes, times and numbers.
 */
#ifndef HTTP_HTTP_LIMITS_H
#define HTTP_HTTP_LIMITS_H

/* Requests. */
#define HTTP_HEAD_MAX         (16 * 1024) /* bytes with the empty line */
#define HTTP_FIELDS_MAX       64
#define HTTP_METHOD_MAX       24 /* bytes */
#define HTTP_BODY_DEFAULT_MAX (1024 * 1024)
#define HTTP_BODY_SKIP_MAX    (64 * 1024) /* dropped body of a request whose route takes none */
#define HTTP_CHUNK_LINE_MAX   256         /* bytes of a chunk-size line with its extensions */
#define HTTP_TRAILERS_MAX     (4 * 1024)  /* bytes of all trailer fields; they are dropped */

/* Memory of a connection. */
#define HTTP_READ_MAX    (16 * 1024)         /* most bytes taken from a socket at once */
#define HTTP_HELD_MAX    (2 * HTTP_READ_MAX) /* input that waits for the answer before it */
#define HTTP_KEEP_MAX    (4 * 1024)          /* larger buffers are given back between requests */
#define HTTP_OUT_FIXED   2048                /* every answer's head, and small answers whole */
#define HTTP_STREAM_HIGH (256 * 1024)        /* bytes queued that pause a stream answer */
#define HTTP_STREAM_MAX  (HTTP_STREAM_HIGH + 1024 * 1024) /* bytes queued that break it */

/* Times. */
#define HTTP_HEAD_TIMEOUT_MS                                                                       \
    10000 /* from accept, or a request's first byte, to the end of its head */
#define HTTP_BODY_TIMEOUT_MS 30000 /* from the head to the end of the body */
#define HTTP_IDLE_TIMEOUT_MS                                                                       \
    60000 /* between requests, and without progress while an answer is sent */
#define HTTP_LINGER_MS       2000 /* for a client to read an answer that came early */
#define HTTP_DRAIN_STREAM_MS 1000 /* for stream answers when the server drains */

/* Connections. */
#define HTTP_LISTENER_CONNS 64
#define HTTP_PEER_CONNS     8   /* per peer process and listener */
#define HTTP_GROUP_CONNS    32  /* per group of peers (a container) and listener */
#define HTTP_ACCEPT_BURST   64  /* connections accepted before others get their turn */
#define HTTP_REFUSED_MAX    256 /* per listener: connections above the limits that are told so */
#define HTTP_BACKLOG        512
#define HTTP_RETRY_AFTER_S  1 /* told when a limit was hit */

#endif
