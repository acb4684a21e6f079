import { createContext, useContext } from 'react';
import type { Session } from '../session.ts';

export const ClientContext = createContext<Session | undefined>(undefined);

/** The signed-in user and their client. Only below `ClientContext`. */
export function useSession(): Session {
  const session = useContext(ClientContext);
  if (session === undefined) throw new Error('useSession outside of ClientContext');
  return session;
}
