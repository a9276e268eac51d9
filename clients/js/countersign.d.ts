declare const Countersign: Countersign.Client;

declare namespace Countersign {
  /** The user's tokens, by the names of the credentials that they are for. */
  type AuthTokens = Record<string, string>;

  interface Settings {
    /** The user's id, as your own system has it. */
    user_id?: string | number;
    /** HMAC-SHA256 of the user's id with the proxy's `users.identity_secret`, made by your back end. */
    user_hash?: string;
    /** A JWT of an issuer that the proxy's configuration names; it says who the user is by itself. */
    user_jwt?: string;
    /** Where the proxy is; by default where this script came from, if the proxy has served it. */
    url?: string;
    /** Tokens to push with it. */
    auth_tokens?: AuthTokens;
  }

  /** What is in use now. */
  interface Pushed {
    auth_tokens: Record<string, { fingerprint: string; expires_at: string | null }>;
  }

  /**
   * Why the proxy refused a call; the tokens before stay in use. A call that never reached it ends in a `TypeError`, one
   * that was not answered in 20 seconds in an `AbortError`; both after three tries.
   */
  interface CountersignError extends Error {
    name: 'CountersignError';
    /** The HTTP status. */
    status: number;
    /** The error's code: `user-token-refused`, `user-unproven`, `request-invalid`, ... */
    code: string;
    /** The credential whose token was refused. */
    credential?: string;
  }

  interface Client {
    /** Say who the user is, and push tokens; whoever was there before is forgotten. */
    (command: 'boot', settings: Settings): Promise<Pushed>;
    /** Change what was said, and push tokens. */
    (command: 'update', settings?: Settings): Promise<Pushed>;
    /** Push tokens for the user who is there. */
    (command: 'setAuthTokens', tokens: AuthTokens): Promise<Pushed>;
  }
}

export = Countersign;
export as namespace Countersign;
