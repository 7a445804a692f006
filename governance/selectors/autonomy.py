from governance.autonomy import ActionClass, Autonomy, Decision, Environment, Risk, Verdict, decide
from governance.selectors.holds import is_held
from governance.selectors.policy import active_policy
from governance.selectors.reputation import standing_of


def decide_for(
    agent: str,
    action: ActionClass,
    *,
    environment: Environment,
    strategy_level: Autonomy,
    agent_cap: Autonomy,
    risk: Risk,
    evidence_complete: bool = True,
    strategy: str = "",
    run: str = "",
) -> Decision:
    """Whether `agent` (a reference) may do this now, by its reputation, the policy and the kill switches."""
    hold = is_held(strategy=strategy, agent=agent, run=run)
    if hold is not None:
        return Decision(Verdict.REFUSE, hold.sentence, Autonomy.MANUAL)
    standing = standing_of(agent)
    return decide(
        action,
        level=standing.level,
        environment=environment,
        strategy=strategy_level,
        agent_cap=agent_cap,
        policy_cap=active_policy().document.autonomy_cap(action, standing.level, environment),
        risk=risk,
        restricted=standing.restricted,
        evidence_complete=evidence_complete,
    )
