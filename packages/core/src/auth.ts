/** What a token proves. */
export interface VerifiedToken {
  readonly uid: string;
  readonly role: 'user' | 'admin';
  /** Display name the token gives its user. */
  readonly name?: string;
  /** Sign-in that the token belongs to; tokens made by an app's backend need none. */
  readonly sid?: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

export interface TokenVerifier {
  /**
   * Checks signature, claims, expiry and revocation.
   * @throws ChatError unauthorized | token_expired, or server_busy while the keys that would tell cannot be fetched
   */
  verify(token: string): Promise<VerifiedToken>;
}

/** Makes access tokens for local accounts. */
export interface TokenSigner {
  sign(claims: { uid: string; sid: string; name: string /** Epoch milliseconds. */; at: number; expiresAt: number }): Promise<string>;
}
