/* SPDX-License-Identifier: MIT */
/*
 * First the requests on which servers disagree, then what the known clients of this API send.
 */
#include "http_cases.h"

#include <stdlib.h>
#include <string.h>

#define V    "?api-version=2018-06-28"
#define HOST "Host: localhost\r\n"
#define GET  "GET /hello" V " HTTP/1.1\r\n"
#define POST "POST /echo" V " HTTP/1.1\r\n" HOST

#define FIXED (sizeof(GET "A: ") - 1 + 4)

#define F4  "A: b\r\nA: b\r\nA: b\r\nA: b\r\n"
#define F16 F4 F4 F4 F4

#define BYTES(text)     .head = (text), .head_len = sizeof(text) - 1
#define THEN(n, text)   .fill = (n), .tail = (text), .tail_len = sizeof(text) - 1
#define GOOD            .statuses = "200"
#define REFUSED(status) .statuses = (status), .closes = true

const struct http_case http_cases[] = {
    /* --- framing that can be read in two ways --- */
    {"length and chunked",
     BYTES(POST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"chunked and length",
     BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"two lengths", BYTES(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
     REFUSED("400")},
    {"the same length twice", BYTES(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
     REFUSED("400")},
    {"list of lengths", BYTES(POST "Content-Length: 3, 3\r\n\r\nabc"), REFUSED("400")},
    {"length with sign", BYTES(POST "Content-Length: +3\r\n\r\nabc"), REFUSED("400")},
    {"negative length", BYTES(POST "Content-Length: -3\r\n\r\nabc"), REFUSED("400")},
    {"hexadecimal length", BYTES(POST "Content-Length: 0x3\r\n\r\nabc"), REFUSED("400")},
    {"empty length", BYTES(POST "Content-Length:\r\n\r\n"), REFUSED("400")},
    {"length beyond 64 bits", BYTES(POST "Content-Length: 99999999999999999999\r\n\r\n"),
     REFUSED("400")},
    {"length beyond the cap", BYTES(POST "Content-Length: 1048577\r\n\r\n"), REFUSED("413")},
    {"codings but chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"coding twice",
     BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"unknown coding", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), REFUSED("400")},
    {"identity coding", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), REFUSED("400")},
    {"chunked in HTTP/1.0",
     BYTES("POST /echo" V " HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"folded length", BYTES(POST "Content-Length:\r\n 3\r\n\r\nabc"), REFUSED("400")},

    /* --- heads --- */
    {"space before colon", BYTES(GET "Host : localhost\r\n\r\n"), REFUSED("400")},
    {"bare line feeds", BYTES("GET /hello" V " HTTP/1.1\nHost: localhost\n\n"), REFUSED("400")},
    {"one bare line feed", BYTES(GET "A: b\nHost: localhost\r\n\r\n"), REFUSED("400")},
    {"bare CR in a value", BYTES(GET "A: b\rTransfer-Encoding: chunked\r\n\r\n"), REFUSED("400")},
    {"CR CR LF", BYTES(GET "A: b\r\r\n\r\n"), REFUSED("400")},
    {"folded field", BYTES(GET "A: b\r\n c\r\n\r\n"), REFUSED("400")},
    {"NUL in a value", BYTES(GET "A: b\0c\r\n\r\n"), REFUSED("400")},
    {"NUL in a name", BYTES(GET "A\0: b\r\n\r\n"), REFUSED("400")},
    {"escape in a value", BYTES(GET "A: \033[31m\r\n\r\n"), REFUSED("400")},
    {"DEL in a value", BYTES(GET "A: 12345678\177\r\n\r\n"), REFUSED("400")},
    {"tab and high bytes in a value", BYTES(GET "A:\tb\tc\351\377 d\r\n\r\n"), GOOD},
    {"empty name", BYTES(GET ": b\r\n\r\n"), REFUSED("400")},
    {"no colon", BYTES(GET "Host\r\n\r\n"), REFUSED("400")},
    {"no Host", BYTES(GET "\r\n"), GOOD},
    {"two Hosts", BYTES(GET HOST HOST "\r\n"), REFUSED("400")},
    {"64 fields", BYTES(GET F16 F16 F16 F16 "\r\n"), GOOD},
    {"65 fields", BYTES(GET F16 F16 F16 F16 "A: b\r\n\r\n"), REFUSED("431")},
    {"16 KiB head", BYTES(GET "A: "), THEN(16384 - FIXED, "\r\n\r\n"), GOOD},
    {"16 KiB head and a byte", BYTES(GET "A: "), THEN(16384 - FIXED + 1, "\r\n\r\n"),
     REFUSED("431")},
    {"100 KiB field", BYTES(GET "A: "), THEN(100 * 1024, "\r\n\r\n"), REFUSED("431")},
    {"empty line first", BYTES("\r\n" GET "\r\n"), GOOD},
    {"two empty lines first", BYTES("\r\n\r\n" GET "\r\n"), REFUSED("400")},
    {"garbage with a line feed", BYTES("\x16\x03\x01\x02\n\x01"), REFUSED("400")},
    {"half a head", BYTES(GET "Ho"), REFUSED("400"), .half_close = true},
    {"half a body", BYTES(POST "Content-Length: 4\r\n\r\nab"), REFUSED("400"), .half_close = true},

    /* --- request lines --- */
    {"HTTP/1.9", BYTES("GET / HTTP/1.9\r\n\r\n"), REFUSED("400")},
    {"HTTP/2.0", BYTES("GET / HTTP/2.0\r\n\r\n"), REFUSED("400")},
    {"HTTP/2 preface", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), REFUSED("400")},
    {"HTTP/01.1", BYTES("GET / HTTP/01.1\r\n\r\n"), REFUSED("400")},
    {"lower case version", BYTES("GET / http/1.1\r\n\r\n"), REFUSED("400")},
    {"no version", BYTES("GET /hello" V "\r\n\r\n"), REFUSED("400")},
    {"two spaces", BYTES("GET  /hello" V " HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"space at the end", BYTES("GET /hello" V " HTTP/1.1 \r\n\r\n"), REFUSED("400")},
    {"tab for space", BYTES("GET\t/hello" V "\tHTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"space first", BYTES(" GET /hello" V " HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"method with a colon", BYTES("GE:T / HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"no method", BYTES(" / HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"long method", BYTES("ABCDEFGHIJKLMNOPQRSTUVWXY / HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"target without slash", BYTES("GET hello HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"asterisk", BYTES("OPTIONS * HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"authority form", BYTES("CONNECT a:1 HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"absolute form", BYTES("GET http://edge:1/hello" V " HTTP/1.1\r\n\r\n"), GOOD},
    {"absolute form, other scheme", BYTES("GET ftp://edge/hello" V " HTTP/1.1\r\n\r\n"),
     REFUSED("400")},
    {"absolute form without path", BYTES("GET http://edge?/" V " HTTP/1.1\r\n\r\n"),
     REFUSED("400")},
    {"fragment", BYTES("GET /hello" V "#x HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"high byte in the target", BYTES("GET /h\303\251 HTTP/1.1\r\n\r\n"), REFUSED("400")},
    {"control byte in the target", BYTES("GET /h\001 HTTP/1.1\r\n\r\n"), REFUSED("400")},

    /* --- chunks --- */
    {"chunks",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), GOOD,
     .contains = "\r\n\r\nabc0123456789"},
    {"chunked in capitals", BYTES(POST "TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n"), GOOD},
    {"chunk extension",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3;a=\"b\";c\r\nabc\r\n0\r\n\r\n"), GOOD,
     .contains = "\r\n\r\nabc"},
    {"leading zeros", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n000\r\n\r\n"),
     GOOD, .contains = "\r\n\r\nabc"},
    {"trailers",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nContent-Length: 9\r\n"
                "B: c\r\n\r\n"),
     GOOD},
    {"chunk size beyond 64 bits",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"chunk beyond the cap", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n100001\r\n"),
     THEN(1048577, "\r\n0\r\n\r\n"), REFUSED("413")},
    {"chunk as large as the cap", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n100000\r\n"),
     THEN(1048576, "\r\n0\r\n\r\n"), GOOD},
    {"chunk without CRLF", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n"),
     REFUSED("400")},
    {"chunk with LF only", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n"),
     REFUSED("400")},
    {"size with LF only", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"line feed in an extension",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3;a\nb\r\nabc\r\n0\r\n\r\n"), REFUSED("400")},
    {"CR without LF after a size",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3\rXabc\r\n0\r\n\r\n"), REFUSED("400")},
    {"space in a size", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"no size", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n\r\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"extension without size",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n;a\r\nabc\r\n0\r\n\r\n"), REFUSED("400")},
    {"size with prefix", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"negative size", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n"),
     REFUSED("400")},
    {"endless extension", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n3;"),
     THEN(300, "\r\nabc\r\n0\r\n\r\n"), REFUSED("400")},
    {"endless trailer", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: "),
     THEN(5000, "\r\n\r\n"), REFUSED("400")},
    {"folded trailer", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n"),
     REFUSED("400")},
    {"NUL in a trailer", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: \0\r\n\r\n"),
     REFUSED("400")},
    {"trailer without colon", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA\r\n\r\n"),
     REFUSED("400")},
    {"end without LF", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rX"), REFUSED("400")},

    /* --- one after another --- */
    {"pipelined", BYTES(GET "\r\n" POST "Content-Length: 3\r\n\r\nabc" GET "\r\n"),
     .statuses = "200 200 200"},
    {"pipelined, then nonsense",
     BYTES(GET "\r\n"
               "?\n"),
     REFUSED("200 400")},
    {"pipelined after a chunked body",
     BYTES(POST "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" GET "\r\n"),
     .statuses = "200 200"},
    {"nothing after close", BYTES(GET "Connection: close\r\n\r\n" GET "\r\n"), REFUSED("200")},
    {"pipelined, then half-closed", BYTES(GET "\r\n" GET "\r\n"), REFUSED("200 200"),
     .half_close = true},

    /* --- connections --- */
    {"HTTP/1.0 closes", BYTES("GET /hello" V " HTTP/1.0\r\n\r\n"), REFUSED("200"),
     .contains = "Connection: close"},
    {"HTTP/1.0 keep-alive", BYTES("GET /hello" V " HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"),
     GOOD, .contains = "Connection: keep-alive"},
    {"close in a list", BYTES(GET "Connection: x , Close\r\n\r\n"), REFUSED("200"),
     .contains = "Connection: close"},
    {"close wins over keep-alive", BYTES(GET "Connection: close\r\nConnection: keep-alive\r\n\r\n"),
     REFUSED("200")},
    {"half-closed client", BYTES(GET "\r\n"), REFUSED("200"), .half_close = true},
    {"no request at all", BYTES(""), REFUSED(""), .half_close = true},
    {"empty line only", BYTES("\r\n"), REFUSED(""), .half_close = true},

    /* --- expectations --- */
    {"continue", BYTES(POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
     .statuses = "100 200", .contains = "\r\n\r\nabc"},
    {"continue in capitals", BYTES(POST "EXPECT: 100-Continue\r\nContent-Length: 3\r\n\r\nabc"),
     .statuses = "100 200"},
    {"continue, chunked",
     BYTES(POST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
     .statuses = "100 200"},
    {"continue without a body", BYTES(POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n"),
     GOOD},
    {"continue, too large", BYTES(POST "Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n"),
     REFUSED("413")},
    {"continue in HTTP/1.0",
     BYTES("POST /echo" V " HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"),
     REFUSED("200")},
    {"unknown expectation", BYTES(POST "Expect: fish\r\nContent-Length: 3\r\n\r\nabc"),
     REFUSED("417")},

    /* --- bodies --- */
    {"one mebibyte", BYTES(POST "Content-Length: 1048576\r\n\r\n"), THEN(1048576, ""), GOOD},
    {"body where none is taken", BYTES(GET "Content-Length: 3\r\n\r\nabc"), GOOD},
    {"large body where none is taken", BYTES(GET "Content-Length: 65537\r\n\r\n"), REFUSED("413")},
    {"cap of the route",
     BYTES("PUT /echo" V " HTTP/1.1\r\nContent-Length: 17\r\n\r\n0123456789abcdefX"),
     REFUSED("413"), .routed = true},
    {"chunked beyond the cap of the route",
     BYTES("PUT /echo" V
           " HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n012345678\r\n9\r\n01234567"),
     REFUSED("413"), .routed = true, .half_close = true},

    /* --- routes --- */
    {"no api-version", BYTES("GET /hello HTTP/1.1\r\n\r\n"), .statuses = "400", .routed = true,
     .contains = "{\"message\":\"Invalid API version \\\"\\\"\"}"},
    {"unknown api-version", BYTES("GET /hello?api-version=2021-05-11 HTTP/1.1\r\n\r\n"),
     .statuses = "400", .routed = true, .contains = "Invalid API version \\\"2021-05-11\\\""},
    {"api-version before route", BYTES("GET /nothing HTTP/1.1\r\n\r\n"), .statuses = "400",
     .routed = true},
    {"first api-version counts",
     BYTES("GET /hello?x=1&api-version=2022-08-03&api-version=no HTTP/1.1\r\n\r\n"), GOOD,
     .routed = true},
    {"route too new", BYTES("GET /systeminfo/resources?api-version=2019-01-30 HTTP/1.1\r\n\r\n"),
     .statuses = "404", .routed = true, .contains = "{\"message\":\"not found\"}"},
    {"route of its version",
     BYTES("GET /systeminfo/resources?api-version=2019-11-05 HTTP/1.1\r\n\r\n"), GOOD,
     .routed = true},
    {"unknown path", BYTES("GET /nothing" V " HTTP/1.1\r\n\r\n"), .statuses = "404", .routed = true,
     .contains = "{\"message\":\"not found\"}"},
    {"wrong method", BYTES("BREW /hello" V " HTTP/1.1\r\n\r\n"), .statuses = "404", .routed = true},
    {"long query", BYTES("GET /hello" V "&x="), THEN(2048, " HTTP/1.1\r\n\r\n"), .statuses = "414",
     .routed = true},
    {"HEAD gets no body", BYTES("HEAD /hello" V " HTTP/1.1\r\n\r\n"), .statuses = "404",
     .routed = true, .contains = "Content-Length: 23\r\n\r\n"},
    {"stranger's body is not read",
     BYTES("POST /modules/bad/genid/1/sign" V " HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"),
     REFUSED("404"), .routed = true, .contains = "Module not found"},
    {"edgeAgent's route", BYTES("GET /agent" V " HTTP/1.1\r\n\r\n"), .statuses = "404",
     .routed = true},
    {"204 is empty", BYTES("GET /status/204" V " HTTP/1.1\r\n\r\n"), .statuses = "204",
     .routed = true},
    {"304 is empty", BYTES("GET /status/304" V " HTTP/1.1\r\n\r\n"), .statuses = "304",
     .routed = true},
    {"dropped request", BYTES("GET /drop" V " HTTP/1.1\r\n\r\n"), .statuses = "500",
     .routed = true},
    {"no verdict", BYTES("POST /modules/mute/genid/1/sign" V " HTTP/1.1\r\n\r\n"),
     .statuses = "500", .routed = true},
    {"stream", BYTES("GET /stream" V "&bytes=70000 HTTP/1.1\r\n\r\n"), GOOD, .routed = true,
     .contains = "Transfer-Encoding: chunked"},
    {"stream to HTTP/1.0",
     BYTES("GET /stream" V "&bytes=70000 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
     REFUSED("200"), .routed = true},
    {"answer that comes later, pipelined",
     BYTES("GET /slow" V "&ms=20 HTTP/1.1\r\n\r\n" GET "\r\n"), .statuses = "200 200",
     .routed = true, .contains = "{\"late\":true}"},
    {"answer that comes later, half-closed", BYTES("GET /slow" V "&ms=20 HTTP/1.1\r\n\r\n"),
     REFUSED("200"), .routed = true, .half_close = true, .contains = "{\"late\":true}"},

    /* --- clients --- */
    {"diagnostics image",
     BYTES("GET /modules/" V " HTTP/1.1\r\nHost: mgmt.sock:80\r\nConnection: Close\r\n\r\n"),
     REFUSED("200"), .routed = true, .contains = "HTTP/1.1 200 OK\r\n"},
    {"C# agent",
     BYTES("POST /modules/good/genid/1/sign" V " HTTP/1.1\r\nHost: workload.sock:80\r\n"
           "Connection: close\r\nContent-Type: application/json\r\n"
           "Content-Length: 2\r\n\r\n{}"),
     REFUSED("200"), .routed = true, .contains = "Content-Type: application/json\r\n"},
    {"C SDK",
     BYTES("GET /hello" V " HTTP/1.1\r\nHost: /var/run/iotedge/workload.sock:0\r\n"
           "content-length: 0\r\n\r\n"),
     GOOD, .routed = true},
    {"C SDK, raw name",
     BYTES("POST /describe/$edgeHub/1" V " HTTP/1.1\r\nHost: a:0\r\nContent-Type: "
           "application/json; charset=utf-8\r\ncontent-length: 2\r\n\r\n{}"),
     GOOD, .routed = true, .contains = "\"p0\":\"$edgeHub\""},
    {"Python SDK, escaped name", BYTES("POST /describe/%24edgeHub/1%2B2 HTTP/1.1\r\n\r\n"),
     .statuses = "400", .routed = true},
    {"escaped name", BYTES("GET /describe/%24edgeHub/a%2Bb+c" V " HTTP/1.1\r\n\r\n"), GOOD,
     .routed = true, .contains = "\"p0\":\"$edgeHub\",\"p1\":\"a+b+c\""},
    {"name that is not UTF-8", BYTES("GET /describe/%ff%C3/%00" V " HTTP/1.1\r\n\r\n"), GOOD,
     .routed = true, .contains = "\"p0\":\"%ff%C3\",\"p1\":\"%00\""},
    {"malformed escapes stay", BYTES("GET /describe/%zz%4/%25" V " HTTP/1.1\r\n\r\n"), GOOD,
     .routed = true, .contains = "\"p0\":\"%zz%4\",\"p1\":\"%\""},
    {"socket path as Host", BYTES(GET "Host: unix:///var/run/iotedge/mgmt.sock\r\n\r\n"), GOOD},
    {"no Content-Type", BYTES(POST "Content-Length: 2\r\n\r\n{}"), GOOD, .contains = "{}"},
    {"verdict that comes later",
     BYTES("POST /modules/later/genid/1/sign" V " HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"), GOOD,
     .routed = true},
};

const size_t http_case_cnt = sizeof(http_cases) / sizeof(http_cases[0]);

char *http_case_bytes(const struct http_case *c, size_t *ret_len) {
    size_t len = c->head_len + c->fill + c->tail_len;
    char *bytes = malloc(len + 1);
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, c->head, c->head_len);
    memset(bytes + c->head_len, 'a', c->fill);
    if (c->tail_len > 0) {
        memcpy(bytes + c->head_len + c->fill, c->tail, c->tail_len);
    }
    *ret_len = len;
    return bytes;
}
