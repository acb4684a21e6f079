import { Chat } from './components/chat.tsx';
import { SignIn } from './components/sign-in.tsx';
import { ClientContext } from './hooks/use-client.ts';
import { useObservable } from './hooks/use-observable.ts';
import { session } from './session.ts';

export function App() {
  const { current, notice } = useObservable(session);
  if (current === undefined) return <SignIn notice={notice} />;
  return (
    <ClientContext value={current}>
      <Chat key={current.userId} />
    </ClientContext>
  );
}
