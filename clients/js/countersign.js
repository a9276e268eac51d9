/*! countersign.js: hands a user's tokens to a Countersign proxy. Apache-2.0 */
(function (root, factory) {
  if (typeof module === 'object' && module.exports) module.exports = factory(root, '');
  else if (!root.Countersign || !root.Countersign.boots) {
    var own = root.document && root.document.currentScript;
    var from = /^(.*)\/\.countersign\/[^/]*$/.exec((own && own.src) || '');
    root.Countersign = factory(root, from ? from[1] : '');
  }
})(typeof globalThis === 'object' ? globalThis : this, function (root, home) {
  'use strict';
  // Theory. Calls are carried out one after the other, in the order in which they were made, so that of two tokens the
  // last one counts. Who the user is stays in this page's memory, also when a token is refused: the next one may be good.
  var PATH = '/.countersign/user-tokens';
  var TRIES = 3;
  var PATIENCE = 20;
  var known = {};
  var last = Promise.resolve();

  function wait(seconds) {
    return new Promise(function (done) {
      setTimeout(done, 1000 * seconds);
    });
  }

  function refusal(status, said) {
    var error = new Error(said.detail || said.title || 'Countersign answered with status ' + status);
    error.name = 'CountersignError';
    error.status = status;
    error.code = String(said.type || '').split('/').pop();
    error.credential = said.credential;
    return error;
  }

  // A call that hangs must not hold up those after it.
  function ask(url, body) {
    var stop = new AbortController();
    var late = setTimeout(function () {
      stop.abort();
    }, 1000 * PATIENCE);
    function end() {
      clearTimeout(late);
    }
    var asked = root
      .fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        signal: stop.signal
      })
      .then(function (answer) {
        return answer
          .json()
          .catch(function () {})
          .then(function (said) {
            return { answer: answer, said: said || {} };
          });
      });
    asked.then(end, end);
    return asked;
  }

  function push(user, tokens, tries) {
    var body = { auth_tokens: tokens };
    ['user_id', 'user_hash', 'user_jwt'].forEach(function (name) {
      if (user[name] != null) body[name] = String(user[name]);
    });
    function again(seconds, error) {
      if (tries <= 1) throw error;
      return wait(seconds).then(function () {
        return push(user, tokens, tries - 1);
      });
    }
    return ask(user.url + PATH, body).then(
      function (got) {
        if (got.answer.ok) return got.said;
        var status = got.answer.status;
        var error = refusal(status, got.said);
        if (status < 502 && status !== 429) throw error;
        return again(Math.min(+got.answer.headers.get('Retry-After') || 1, 30), error);
      },
      function (error) {
        return again(1, error);
      }
    );
  }

  function act(command, given) {
    given = given || {};
    var user = {};
    var tokens = given.auth_tokens || {};
    if (command === 'setAuthTokens') tokens = given;
    else if (command !== 'boot' && command !== 'update') throw new TypeError('Countersign has no ' + command);
    if (command !== 'boot') for (var name in known) user[name] = known[name];
    if (command !== 'setAuthTokens') {
      ['url', 'user_id', 'user_hash', 'user_jwt'].forEach(function (name) {
        if (given[name] != null) user[name] = given[name];
      });
    }
    user.url = String(user.url || home).replace(/\/+$/, '');
    if (!user.url) throw new TypeError("Countersign('boot', ...) needs the proxy's url here");
    if (user.user_id == null && user.user_jwt == null) throw new TypeError("Countersign('boot', ...) comes first");
    known = user;
    return push(user, tokens, TRIES);
  }

  function Countersign(command, given) {
    var done = last.then(function () {
      return act(command, given);
    });
    last = done.catch(function () {});
    return done;
  }

  var before = root.Countersign;
  ((before && before.q) || []).forEach(function (call) {
    Countersign.apply(null, call[0]).then(call[1], call[2]);
  });
  Countersign.boots = true;
  return Countersign;
});
