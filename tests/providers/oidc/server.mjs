// An OpenID provider for tests, on the npm package oidc-provider, and beside it an API that its tokens open.
//
// The first line on stdin is the setup, as JSON; the server answers with its addresses, a line of JSON as well, and ends
// when stdin does. /api answers 200 to a token that is valid at that moment, and tells what is known of it; POST /forget
// takes a token back as if a person had done it, with `consent` the refresh token, too. A person signs in at /interaction with a name alone.

import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

import { createLocalJWKSet, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const MINUTE = 60;

const lines = createInterface({ input: process.stdin });
const setup = JSON.parse((await lines[Symbol.asyncIterator]().next()).value);
const { clients, users, assertionKeys, resource, tls } = setup;

const server = createServer(answer);
const tlsServer = createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false }, answer);
const [port, tlsPort] = await Promise.all([server, tlsServer].map(listen));
const issuer = `http://127.0.0.1:${port}`;
const tlsOrigin = `https://localhost:${tlsPort}`;

const provider = new Provider(issuer, {
  clients,
  clientAuthMethods: [
    'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt',
    'tls_client_auth', 'self_signed_tls_client_auth', 'none',
  ],
  clientBasedCORS: () => false,
  cookies: { keys: ['a key for cookies that nobody keeps'] },
  discovery: { mtls_endpoint_aliases: { token_endpoint: `${tlsOrigin}/token` } },
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: certificate,
      certificateAuthorized: (ctx) => ctx.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) => (
        property === 'tls_client_auth_san_dns' && certificate(ctx).subjectAltName === `DNS:${expected}`
      ),
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, indicator) {
        if (indicator !== resource) throw new errors.InvalidTarget();
        return { scope: 'read write', audience: indicator, accessTokenFormat: 'opaque' };
      },
    },
    revocation: { enabled: true },
  },
  findAccount: (ctx, name) => ({ accountId: name, claims: () => ({ sub: name }) }),
  responseTypes: ['code'],
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'read', 'write'],
  ttl: {
    AccessToken: (ctx, token, client) => (client.clientId === 'brief' ? 4 : 60 * MINUTE),
    ClientCredentials: 60 * MINUTE,
    Grant: 60 * MINUTE,
    IdToken: 60 * MINUTE,
    Interaction: 60 * MINUTE,
    RefreshToken: 60 * MINUTE,
    Session: 60 * MINUTE,
  },
});

provider.registerGrantType('password', async (ctx) => {
  const { username, password } = needed(ctx, 'username', 'password');
  if (!(username in users) || users[username] !== password) throw new errors.InvalidGrant('wrong name or password');
  await give(ctx, username, 'password');
}, ['username', 'password', 'scope', 'resource']);

provider.registerGrantType(JWT_BEARER, async (ctx) => {
  const { assertion } = needed(ctx, 'assertion');
  const claims = await verified(assertion);
  if (!claims.sub) throw new errors.InvalidGrant('the assertion has no subject');
  if (claims.jti && !await provider.ReplayDetection.unique(claims.iss, claims.jti, claims.exp)) {
    throw new errors.InvalidGrant('the assertion has been used');
  }
  await give(ctx, claims.sub, JWT_BEARER);
}, ['assertion', 'scope', 'resource']);

provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
  const { subject_token: subject, subject_token_type: type } = needed(ctx, 'subject_token', 'subject_token_type');
  const wanted = ctx.oidc.params.requested_token_type ?? ACCESS_TOKEN;
  if (wanted !== ACCESS_TOKEN) throw new errors.InvalidRequest('only access tokens are given');
  const actor = ctx.oidc.params.actor_token;
  if ((actor === undefined) !== (ctx.oidc.params.actor_token_type === undefined)) {
    throw new errors.InvalidRequest('an actor_token and its type go together');
  }
  const who = await exchanged(subject, type);
  if (actor !== undefined) await exchanged(actor, ctx.oidc.params.actor_token_type);
  await give(ctx, who, TOKEN_EXCHANGE, { issued_token_type: ACCESS_TOKEN });
}, [
  'subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'requested_token_type', 'audience', 'scope',
  'resource',
]);

const handle = provider.callback();
console.log(JSON.stringify({
  issuer,
  token: `${issuer}/token`,
  tokenWithCertificate: `${tlsOrigin}/token`,
  authorize: `${issuer}/auth`,
  api: `${issuer}/api`,
  apiWithCertificate: `${tlsOrigin}/api`,
  forget: `${issuer}/forget`,
}));
lines.on('close', () => process.exit(0));

function listen(one) {
  return new Promise((resolve) => one.listen(0, '127.0.0.1', () => resolve(one.address().port)));
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, 'http://here');
  try {
    if (pathname.startsWith('/api')) await api(request, response);
    else if (pathname === '/forget') await forget(request, response);
    else await handle(request, response);
  } catch (error) {
    send(response, 500, { error: String(error) });
  }
}

function send(response, status, document, headers = {}) {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(document));
}

async function api(request, response) {
  const [scheme, value] = (request.headers.authorization ?? '').split(' ');
  const token = scheme.toLowerCase() === 'bearer' ? await known(value) : undefined;
  const bound = token?.['x5t#S256'];
  if (!token || (bound && bound !== thumbprint(request.socket))) {
    send(response, 401, { error: 'invalid_token' }, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
    return;
  }
  const { clientId: client, accountId: user = null, aud: audience = null, scope = '' } = token;
  send(response, 200, { client, user, audience, scope, token: value });
}

async function forget(request, response) {
  const form = new URLSearchParams(await text(request));
  const token = await known(form.get('token'));
  await token?.destroy();
  if (token && form.has('consent')) await provider.RefreshToken.revokeByGrantId(token.grantId);
  send(response, token ? 200 : 404, {});
}

async function known(value) {
  const token = await provider.AccessToken.find(value) ?? await provider.ClientCredentials.find(value);
  return token?.isValid ? token : undefined;
}

function certificate(ctx) {
  const shown = ctx.socket.getPeerCertificate?.();
  return shown?.raw && new X509Certificate(shown.raw);
}

function thumbprint(socket) {
  const shown = certificate({ socket });
  return shown && Buffer.from(shown.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url');
}

function needed(ctx, ...names) {
  for (const name of names) {
    if (!ctx.oidc.params[name]) throw new errors.InvalidRequest(`missing required parameter '${name}'`);
  }
  return ctx.oidc.params;
}

async function verified(assertion) {
  try {
    const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys: assertionKeys.keys }), {
      audience: [issuer, `${issuer}/token`, `${tlsOrigin}/token`],
      issuer: assertionKeys.issuer,
      requiredClaims: ['exp'],
    });
    return payload;
  } catch (error) {
    throw new errors.InvalidGrant(`the assertion is not accepted: ${error.message}`);
  }
}

async function exchanged(token, type) {
  if (type === ACCESS_TOKEN) {
    const subject = await known(token);
    if (!subject) throw new errors.InvalidRequest('the token to be exchanged is not valid');
    return subject.accountId ?? subject.clientId;
  }
  if (type === JWT) return (await verified(token)).sub;
  throw new errors.InvalidRequest('tokens of that type are not exchanged');
}

// What these grants have in common: an access token, and a refresh token where it is asked for.
async function give(ctx, user, gty, more = {}) {
  const { client, params } = ctx.oidc;
  const scopes = new Set(params.scope?.split(' '));
  const grant = new provider.Grant({ accountId: user, clientId: client.clientId });
  grant.addOIDCScope([...scopes].join(' '));
  const grantId = await grant.save();
  const token = new provider.AccessToken({ accountId: user, client, grantId, gty, scope: params.scope });
  if (params.resource) {
    const server = { scope: 'read write', audience: params.resource, accessTokenFormat: 'opaque' };
    if (params.resource !== resource) throw new errors.InvalidTarget();
    token.resourceServer = new provider.ResourceServer(params.resource, server);
  }
  if (client.tlsClientCertificateBoundAccessTokens) token.setThumbprint('x5t', certificate(ctx));
  const reply = { access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, ...more };
  if (scopes.has('offline_access')) {
    const refresh = new provider.RefreshToken({
      accountId: user, client, grantId, gty, rotations: 0, scope: params.scope,
    });
    reply.refresh_token = await refresh.save();
  }
  ctx.body = reply;
}
