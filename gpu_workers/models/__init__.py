"""Agents, their runs, and what runs produce: tables of a tenant's schema."""

from gpu_workers.models.agent import Agent
from gpu_workers.models.change import ChangeRequest, CIRun, Repository
from gpu_workers.models.ci_meter import CIMeter
from gpu_workers.models.cluster import ProjectCluster
from gpu_workers.models.database import ProjectDatabase, ProjectMigrator
from gpu_workers.models.errand import Errand, Lane
from gpu_workers.models.forge import ForgeConnection, HookDelivery, PullRequest
from gpu_workers.models.hand_in import HandIn
from gpu_workers.models.incident import Incident, IncidentEvidence, IncidentReport
from gpu_workers.models.proposal import Proposal
from gpu_workers.models.remark import ChangeRemark
from gpu_workers.models.run import Run, RunLog, RunStep
from gpu_workers.models.tracker import ImportedIssue, ProjectTracker

__all__ = [
    "Agent",
    "CIMeter",
    "CIRun",
    "ChangeRemark",
    "ChangeRequest",
    "Errand",
    "ForgeConnection",
    "HandIn",
    "HookDelivery",
    "ImportedIssue",
    "Incident",
    "IncidentEvidence",
    "IncidentReport",
    "Lane",
    "ProjectCluster",
    "ProjectDatabase",
    "ProjectMigrator",
    "ProjectTracker",
    "Proposal",
    "PullRequest",
    "Repository",
    "Run",
    "RunLog",
    "RunStep",
]
