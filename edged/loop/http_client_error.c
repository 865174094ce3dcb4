/* SPDX-License-Identifier: MIT */
/*
 * curl's numbers and texts -> our errors; the one place where this happens.
 */
#include "base/wipe.h"
#include "loop/http_client_request.h"

#include <string.h>

struct http_client_fault {
    CURLcode curl;
    enum edge_code code;
    bool detail; /* curl's own text says more and names no credentials */
    const char *before;
    const char *after; /* of the quoted host */
};

static const struct http_client_fault http_client_faults[] = {
    {CURLE_COULDNT_RESOLVE_HOST, EDGE_NET, false, "could not find the address of ", ""},
    {CURLE_COULDNT_RESOLVE_PROXY, EDGE_NET, false, "could not find the proxy for ", ""},
    {CURLE_PROXY, EDGE_NET, false, "could not connect through the proxy to ", ""},
    {CURLE_COULDNT_CONNECT, EDGE_NET, true, "could not connect to ", ""},
    {CURLE_PEER_FAILED_VERIFICATION, EDGE_NET, true, "certificate of ", " is not valid for it"},
    {CURLE_SSL_CONNECT_ERROR, EDGE_NET, true, "could not set up TLS with ", ""},
    {CURLE_SSL_CACERT_BADFILE, EDGE_CONFIG, false, "could not read the certificates to trust ", ""},
    {CURLE_SSL_CERTPROBLEM, EDGE_INVALID, true, "client certificate for ", " cannot be used"},
    {CURLE_GOT_NOTHING, EDGE_NET, false, "", " closed the connection without an answer"},
    {CURLE_PARTIAL_FILE, EDGE_NET, false, "", " closed the connection in the middle of its answer"},
    {CURLE_RECV_ERROR, EDGE_NET, true, "lost the connection to ", ""},
    {CURLE_SEND_ERROR, EDGE_NET, true, "lost the connection to ", ""},
    {CURLE_WEIRD_SERVER_REPLY, EDGE_PROTO, false, "the answer of ", " is not HTTP"},
    {CURLE_UNSUPPORTED_PROTOCOL, EDGE_PROTO, false, "the answer of ", " is not HTTP/1.1"},
    {CURLE_BAD_CONTENT_ENCODING, EDGE_PROTO, false, "the answer of ", " is malformed"},
    {CURLE_URL_MALFORMAT, EDGE_INVALID, false, "malformed address of ", ""},
    {CURLE_OUT_OF_MEMORY, EDGE_NOMEM, false, "no memory to talk to ", ""},
};

static const struct http_client_fault http_client_fault_other = {CURLE_OK, EDGE_NET, true,
                                                                 "could not talk to ", ""};

static const struct http_client_fault *http_client_fault_find(CURLcode curl) {
    for (size_t i = 0; i < EDGE_ARRAY_LEN(http_client_faults); i++) {
        if (http_client_faults[i].curl == curl) {
            return &http_client_faults[i];
        }
    }
    return &http_client_fault_other;
}

/* Where there is a '@' there may be a proxy's password before it. */
static const char *http_client_error_detail(CURLcode curl, const char *detail) {
    bool usable = detail[0] != '\0' && strchr(detail, '@') == NULL;
    return usable ? detail : curl_easy_strerror(curl);
}

/* A server's TLS alert about certificates is about ours. With TLS 1.3 it comes after the handshake,
 * in place of an answer. */
static bool http_client_error_is_refusal(CURLcode curl, const char *detail) {
    static const char *const names[] = {"bad certificate",     "unsupported certificate",
                                        "certificate revoked", "certificate expired",
                                        "certificate unknown", "certificate required",
                                        "unknown ca",          "access denied"};
    bool may_be =
        curl == CURLE_SSL_CONNECT_ERROR || curl == CURLE_RECV_ERROR || curl == CURLE_SEND_ERROR;
    const char *alert = may_be ? strstr(detail, " alert ") : NULL;
    for (size_t i = 0; alert != NULL && i < EDGE_ARRAY_LEN(names); i++) {
        if (strstr(alert, names[i]) != NULL) {
            return true;
        }
    }
    return false;
}

/* Faults whose meaning hangs on more than curl's number; true when err is filled. */
static bool http_client_error_special(struct edge_error *err, CURL *easy, CURLcode curl,
                                      const char *host, const char *detail) {
    long os_errno = 0;
    long proxy_status = 0;
    long verify = 0;
    curl_off_t ready_us = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_errno);
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    (void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    (void)curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    if (curl == CURLE_OPERATION_TIMEDOUT) {
        (void)edge_set_native(err, EDGE_TIMEOUT, EDGE_DOMAIN_CURL, curl, "%s '%s' in time",
                              ready_us > 0 ? "no complete answer from" : "could not connect to",
                              host);
        return true;
    }
    if (ready_us == 0 && proxy_status >= 300) {
        (void)edge_set_native(err, EDGE_NET, EDGE_DOMAIN_HTTP, proxy_status,
                              "could not connect to '%s': the proxy answered with status %ld", host,
                              proxy_status);
        return true;
    }
    /* 0 is a good chain, 1 what curl starts with: it looks at the name first. */
    if (curl == CURLE_PEER_FAILED_VERIFICATION && verify > 1) {
        (void)edge_set_native(err, EDGE_NET, EDGE_DOMAIN_CURL, curl,
                              "certificate of '%s' is not trusted: %s", host,
                              http_client_error_detail(curl, detail));
        return true;
    }
    if (http_client_error_is_refusal(curl, detail)) {
        (void)edge_set_native(err, EDGE_NET, EDGE_DOMAIN_CURL, curl,
                              "'%s' did not accept our client certificate, or wants one: %s", host,
                              http_client_error_detail(curl, detail));
        return true;
    }
    if (curl == CURLE_COULDNT_CONNECT && os_errno != 0) {
        (void)edge_set_native(err, EDGE_NET, EDGE_DOMAIN_ERRNO, os_errno,
                              "could not connect to '%s'", host);
        return true;
    }
    if (curl == CURLE_OUT_OF_MEMORY && !wipe_has_failed()) {
        /* curl says so, too, when one header line outgrows its buffer. */
        (void)edge_set_native(err, EDGE_RANGE, EDGE_DOMAIN_CURL, curl,
                              "the headers of the answer of '%s' are too long", host);
        return true;
    }
    return false;
}

enum edge_code http_client_error_set(struct edge_error *err, CURL *easy, CURLcode curl,
                                     const char *host, const char *detail) {
    if (http_client_error_special(err, easy, curl, host, detail)) {
        return err->code;
    }
    const struct http_client_fault *fault = http_client_fault_find(curl);
    if (!fault->detail) {
        return edge_set_native(err, fault->code, EDGE_DOMAIN_CURL, curl, "%s'%s'%s", fault->before,
                               host, fault->after);
    }
    return edge_set_native(err, fault->code, EDGE_DOMAIN_CURL, curl, "%s'%s'%s: %s", fault->before,
                           host, fault->after, http_client_error_detail(curl, detail));
}
